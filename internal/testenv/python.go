package testenv

import (
	"bytes"
	"strconv"
	"strings"
)

// byteMark stands before the two hexadecimal digits of a byte between PythonJSON and PythonBytes. Of its kind (the last
// private plane) no test data has any.
const byteMark = "\U0010fff0"

// PythonJSON prepares a JSON text that Python wrote for encoding/json. A byte 0xNN that is no UTF-8 stands there as the
// lone surrogate \udcNN, which encoding/json would replace; PythonBytes brings it back in what was decoded.
func PythonJSON(text []byte) []byte {
	var out bytes.Buffer
	high := -6 // where the last first half of a pair stood
	for i := 0; i < len(text); {
		switch {
		case text[i] != '\\' || i+1 == len(text):
			out.WriteByte(text[i])
			i++
		case surrogate(text[i:], "dc") && high != i-6:
			out.WriteString(byteMark)
			out.Write(text[i+4 : i+6])
			i += 6
		default:
			if surrogate(text[i:], "d8", "d9", "da", "db") {
				high = i
			}
			out.Write(text[i : i+2])
			i += 2
		}
	}
	return out.Bytes()
}

// surrogate reports whether text begins with an escape \uHHNN, of one of the values given for HH.
func surrogate(text []byte, values ...string) bool {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return false
	}
	for _, h := range values {
		if strings.EqualFold(string(text[2:4]), h) {
			return true
		}
	}
	return false
}

// PythonBytes undoes PythonJSON in a string that was decoded.
func PythonBytes(s string) string {
	parts := strings.Split(s, byteMark)
	for i, part := range parts[1:] {
		b, err := strconv.ParseUint(part[:2], 16, 8)
		if err != nil {
			panic(err) // PythonJSON wrote it
		}
		parts[i+1] = string([]byte{byte(b)}) + part[2:]
	}
	return strings.Join(parts, "")
}
