#!/usr/bin/python3
"""Prints one case a line for pyre_test.go: pattern, text, and what Python's re says of it.

usage: generate.py COUNT [SEED] > cases.jsonl
"whole" is re.fullmatch on the pattern as a group, "rootwrap" is re.match(pattern + "$"); null is an error."""
import json, random, re, sys, warnings
warnings.simplefilter('ignore')
count = int(sys.argv[1])
rnd = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
ALPHA = 'ab1_- .\n/é²٥İıſKẞ\x1c\x85\u3000\udcff\udc80'
ATOMS = ['a', 'b', '1', '-', '/', '.', r'\d', r'\w', r'\s', r'\D', r'\W', r'\S', r'\.', r'\n', r'\x61', r'\u00e9', 'é', 'İ', 'ſ', 'ı', 's',
         'k', 'K', '[ab]', '[^a]', '[^/]', '[a-z]', '[\\d_]', '[^\\W1]', '[\\Wa]', '[]a]', '[^]a]', '[a-]', '[[:alpha:]]', r'[\b]', r'\061', r'\0', '{', '{}', 'a{', '}', r'\udcff',
         '^', '$', r'\A', r'\Z', r'\b', r'\B', '(?:)', '(?#x)', r'\\', r'\-', r'\_', r'\é', '']
BAD = [r'\q', '[b-a]', '[', '(', ')', '*', '**', '(?z)', r'\9', '[a-\\d]', '(?<=a*)', '(?P<1>a)', r'\x6', '(?', '(?P=n)', '(?i', r'\400', '(?au:a)', '(?-a:a)', '(?i-i:a)', 'a{2,1}', r'\N{DIGIT ONE}', '\\']
QUANT = ['', '', '', '', '*', '+', '?', '{2}', '{,2}', '{1,}', '{0,1}', '{1,2}', '*?', '+?', '??', '{1,2}?', '*+', '?+', '{,}', '{x}']
def pat(depth):
    out = []
    for _ in range(rnd.randint(1, 4)):
        k = rnd.random()
        if k < .70 or depth == 0: a = rnd.choice(ATOMS)
        elif k < .72: a = rnd.choice(BAD)
        else:
            p = pat(depth - 1)
            a = rnd.choice(['(%s)', '(%s)', '(?:%s)', '(?P<n>%s)', '(?=%s)', '(?!%s)', '(?<=%s)', '(?<!%s)', '(?>%s)', '(?i:%s)', '(?s:%s)', '(?m:%s)', '(?a:%s)', '(?x: %s #c\n)', '(?-i:%s)', '(a)?(?(1)%s|b)', '(?(1)%s)', '(%s)\\1', '(?P<m>%s)(?P=m)', '(%s|a)', '(?i:(%s)\\1)'])% p
        out.append(a + rnd.choice(QUANT))
    if rnd.random() < .15: out.append('|' + rnd.choice(ATOMS) + rnd.choice(QUANT))
    return ''.join(out)
def ask(f):
    try: return bool(f())
    except Exception: return None
for _ in range(count):
    p = pat(2)
    if rnd.random() < .15: p = rnd.choice(['(?i)', '(?s)', '(?m)', '(?a)', '(?x)', '(?is)', '(?u)', '(?ai)']) + p
    try: re.compile(p); ok = True
    except Exception: ok = False
    for _ in range(6 if ok else 1):
        t = ''.join(rnd.choice(ALPHA) for _ in range(rnd.choice([0, 1, 1, 2, 2, 3, 4])))
        whole = None
        if ok: whole = ask(lambda: re.fullmatch(p, t))
        print(json.dumps({'pattern': p, 'text': t, 'whole': whole, 'rootwrap': ask(lambda: re.match(p + '$', t))}))
