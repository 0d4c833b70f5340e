# Prints one JSON object a line: {"in": text, "out": oslo_utils.strutils.mask_password(text)}, for every text of
# oslo.utils' own tests and for every name it knows in every form that it knows. SECRET is in each of the second kind.
import ast
import json
import os

import oslo_utils
from oslo_utils import strutils

texts = []
path = os.path.join(os.path.dirname(oslo_utils.__file__), "tests", "test_strutils.py")
if os.path.exists(path):
    with open(path) as f:
        tree = ast.parse(f.read())
    for cls in [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name.startswith("MaskPassword")]:
        for node in ast.walk(cls):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "payload":
                if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    texts.append(node.value.value)

forms = [
    "%s=SECRET", "%s = SECRET", "x %s= SECRET y", "my_%s=SECRET", "%s1=SECRET", "%s='SECRET'", '%s = "SECRET"',
    "%s 'SECRET'", '%s  "SECRET x"', "--%s SECRET next", "--%s  SECRET", "<%s>SECRET</%s>", "<%s2>\n SECRET\n</%s2>",
    "'%s': 'SECRET'", '"%s": "SECRET"', "{'x_%s' : u'SECRET', 'b': 'c'}", '{"my%s":"SECRET"}', "'%s', '--value', 'SECRET'",
    "'x.%s', '-v', u'SECRET'", "node.%s -v SECRET", "node.%s --value SECRET end", "'%s': 'SEC'SECRET'", '{"%s": "a\'SECRET"}',
    "%s='a SECRET b'", "%s=\nSECRET", "curl -d '{\"%s\": \"SECRET\"}'", "cmd --%s=SECRET --other", "'%s' : 'a\"SECRET'",
    "http://h/?%s=SECRET&x=1",
]
for key in strutils._SANITIZE_KEYS:
    for spelled in (key, key.upper(), key.title()):
        for form in forms:
            texts.append(form.replace("%s", spelled))
for text in texts:
    print(json.dumps({"in": text, "out": strutils.mask_password(text)}))
