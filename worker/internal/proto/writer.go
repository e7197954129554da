package proto

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
)

// maxNodeBytes is the longest identity that ZeroMQ takes.
const maxNodeBytes = 255

// ErrNode says that a worker's id can't be one.
var ErrNode = errors.New("a worker's id has 1 to 255 bytes of valid UTF-8 without NUL")

// CheckNode returns ErrNode unless node can be the id of a worker. It is both
// a ZeroMQ identity, which may not start with NUL, and a text to the master,
// which looks workers up by either.
func CheckNode(node string) error {
	if node == "" || len(node) > maxNodeBytes || !clean(node) {
		return fmt.Errorf("%w: %.80q", ErrNode, node)
	}
	return nil
}

// buffer is the io.Writer that the encoder appends through.
type buffer struct{ bytes []byte }

func (b *buffer) Write(p []byte) (int, error) {
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

func (b *buffer) WriteByte(c byte) error {
	b.bytes = append(b.bytes, c)
	return nil
}

// writer encodes one message and keeps the first error.
type writer struct {
	enc *msgpack.Encoder
	buf buffer
	err error
}

// appendMessage encodes [kind, what body writes, node]. Body writes exactly
// one value.
func appendMessage(dst []byte, kind, node string, body func(*writer)) ([]byte, error) {
	if err := CheckNode(node); err != nil {
		return dst, fmt.Errorf("encoding %s: %w", kind, err)
	}
	w := newWriter(dst)
	w.arrayHeader(3)
	w.text(kind, maxTypeBytes)
	body(w)
	w.text(node, maxNodeBytes)
	out, err := w.finish()
	if err != nil {
		return dst, fmt.Errorf("encoding %s: %w", kind, err)
	}
	return out, nil
}

// newWriter appends to dst; finish must follow.
func newWriter(dst []byte) *writer {
	w := &writer{enc: msgpack.GetEncoder(), buf: buffer{bytes: dst}}
	w.enc.Reset(&w.buf)
	return w
}

// finish returns what was written, or the first error.
func (w *writer) finish() ([]byte, error) {
	w.enc.ResetWriter(nil) // the pool must not hold on to the buffer
	msgpack.PutEncoder(w.enc)
	return w.buf.bytes, w.err
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) check(err error) {
	if err != nil {
		w.fail(err)
	}
}

func (w *writer) null()             { w.check(w.enc.EncodeNil()) }
func (w *writer) boolean(b bool)    { w.check(w.enc.EncodeBool(b)) }
func (w *writer) integer(i int64)   { w.check(w.enc.EncodeInt(i)) }
func (w *writer) unsigned(u uint64) { w.check(w.enc.EncodeUint(u)) }
func (w *writer) float(f float64)   { w.check(w.enc.EncodeFloat64(f)) }
func (w *writer) arrayHeader(n int) { w.check(w.enc.EncodeArrayLen(n)) }
func (w *writer) mapHeader(n int)   { w.check(w.enc.EncodeMapLen(n)) }

func (w *writer) text(s string, limit int) { w.check(w.enc.EncodeString(sendable(s, limit))) }

func (w *writer) floatOrNull(f *float64) {
	if f == nil {
		w.null()
		return
	}
	w.float(*f)
}

// markers are keys by which Locust knows the maps that stand for a time or an
// ObjectId. It converts them before it looks at the message, and a map that
// has such a key but isn't one ends its receive loop.
var markers = []string{"__datetime__", "__ObjectId__"}

// key writes the key of a map.
func (w *writer) key(name string) {
	if slices.Contains(markers, name) {
		w.fail(fmt.Errorf("%w: a map with the key %q", ErrUnsendable, name))
	}
	w.text(name, MaxNameBytes)
}

// counts writes users by class, in the order of the names.
func (w *writer) counts(users map[string]int) {
	w.mapHeader(len(users))
	for _, class := range slices.Sorted(maps.Keys(users)) {
		w.key(class)
		w.integer(int64(users[class]))
	}
}

// value writes what WorkerCustom.Data documents.
func (w *writer) value(v any, depth int) {
	if depth >= maxDepth {
		w.fail(fmt.Errorf("%w: values nested deeper than %d", ErrUnsendable, maxDepth))
		return
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		w.null()
	case reflect.Bool:
		w.boolean(r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.integer(r.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.unsigned(r.Uint())
	case reflect.Float32, reflect.Float64:
		if f := r.Float(); finite(f) {
			w.float(f)
		} else {
			w.null() // the pages' JSON has no other word for it
		}
	case reflect.String:
		w.text(r.String(), maxCustomBytes)
	case reflect.Slice, reflect.Array:
		w.list(r, depth)
	case reflect.Map:
		w.table(r, depth)
	default:
		w.fail(fmt.Errorf("%w: a value of type %T; use strings, numbers, slices and maps", ErrUnsendable, v))
	}
}

func (w *writer) list(r reflect.Value, depth int) {
	if r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8 {
		w.check(w.enc.EncodeBytes(r.Bytes()))
		return
	}
	w.arrayHeader(r.Len())
	for i := range r.Len() {
		w.value(r.Index(i).Interface(), depth+1)
	}
}

func (w *writer) table(r reflect.Value, depth int) {
	keys := r.MapKeys()
	integers := true
	switch r.Type().Key().Kind() {
	case reflect.String:
		integers = false
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.Int(), b.Int()) })
	default:
		w.fail(fmt.Errorf("%w: a map with keys of type %s; use strings or signed integers", ErrUnsendable, r.Type().Key()))
		return
	}
	w.mapHeader(len(keys))
	for _, key := range keys {
		if integers {
			w.integer(key.Int())
		} else {
			w.key(key.String())
		}
		w.value(r.MapIndex(key).Interface(), depth+1)
	}
}
