package strict

import (
	"encoding"
	"reflect"
)

// foreignCodec names the method or interface by which values of type t would encode or decode themselves, "" where
// there is none.
func foreignCodec(t reflect.Type) string {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return "" // the element is asked; interfaces are refused as such
	}
	p := reflect.PointerTo(t)
	for _, codec := range []reflect.Type{
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
		reflect.TypeFor[interface{ MarshalMsgpack() ([]byte, error) }](),
		reflect.TypeFor[interface{ UnmarshalMsgpack([]byte) error }](),
	} {
		if p.Implements(codec) {
			return codec.String()
		}
	}
	// Types of vmihailenco/msgpack stand in these two, which is not linked for that. The names are constants on purpose:
	// MethodByName of anything else makes the linker keep every method of every type.
	if _, has := p.MethodByName("EncodeMsgpack"); has {
		return "EncodeMsgpack"
	}
	if _, has := p.MethodByName("DecodeMsgpack"); has {
		return "DecodeMsgpack"
	}
	return ""
}
