package proto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// kind is the sort of a msgpack value.
type kind string

const (
	kindNil     kind = "nil"
	kindBool    kind = "bool"
	kindInteger kind = "integer"
	kindFloat   kind = "float"
	kindText    kind = "string"
	kindBinary  kind = "bytes"
	kindArray   kind = "array"
	kindMap     kind = "map"
	kindExt     kind = "extension"
	kindNone    kind = "nothing"
)

func kindOf(code byte) kind {
	switch {
	case msgpcode.IsFixedNum(code), code >= msgpcode.Uint8 && code <= msgpcode.Int64:
		return kindInteger
	case msgpcode.IsString(code):
		return kindText
	case msgpcode.IsBin(code):
		return kindBinary
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		return kindArray
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		return kindMap
	case msgpcode.IsExt(code):
		return kindExt
	}
	switch code {
	case msgpcode.Nil:
		return kindNil
	case msgpcode.True, msgpcode.False:
		return kindBool
	case msgpcode.Float, msgpcode.Double:
		return kindFloat
	}
	return kindNone
}

// cursor reads one msgpack value that was found to be whole, and within the
// limits, when the cursor was made. Its methods read the value at which it
// stands, or fail if that has another type.
type cursor struct {
	data []byte
	src  *bytes.Reader
	dec  *msgpack.Decoder
}

var (
	errTruncated = errors.New("ends in the middle of a value")
	errTrailing  = errors.New("has bytes after its end")
)

// newCursor checks data and stands at its start. The check comes first and
// counts depth itself, because the library descends as deep as foreign bytes
// lead it.
func newCursor(data []byte) (*cursor, error) {
	if len(data) > MaxMessageBytes {
		return nil, fmt.Errorf("%d bytes are more than %d", len(data), MaxMessageBytes)
	}
	c := &cursor{data: data, src: bytes.NewReader(data)}
	c.dec = msgpack.NewDecoder(c.src)
	values := 0
	if err := c.walk(0, &values); err != nil {
		return nil, err
	}
	if c.src.Len() > 0 {
		return nil, errTrailing
	}
	c.src.Reset(data)
	return c, nil
}

// walk passes over one value.
func (c *cursor) walk(depth int, values *int) error {
	if *values++; *values > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	var children int
	switch c.kind() {
	case kindArray:
		n, err := c.arrayLen()
		if err != nil {
			return errTruncated
		}
		children = n
	case kindMap:
		n, err := c.mapLen()
		if err != nil {
			return errTruncated
		}
		children = 2 * n
	case kindNone:
		return c.unreadable()
	default:
		return c.skipScalar()
	}
	for range children {
		if err := c.walk(depth+1, values); err != nil {
			return err
		}
	}
	return nil
}

func (c *cursor) unreadable() error {
	if c.src.Len() == 0 {
		return errTruncated
	}
	return errors.New("is not msgpack")
}

// skipScalar passes over a value that is no array and no map.
func (c *cursor) skipScalar() error {
	length := 0
	var err error
	switch c.kind() {
	case kindText, kindBinary:
		length, err = c.dec.DecodeBytesLen()
	case kindExt:
		_, length, err = c.dec.DecodeExtHeader()
	default:
		err = c.dec.Skip()
	}
	if err != nil || length < 0 || length > c.src.Len() {
		return errTruncated
	}
	_, err = c.src.Seek(int64(length), io.SeekCurrent)
	return err
}

func (c *cursor) offset() int { return len(c.data) - c.src.Len() }

// kind is that of the value at the cursor.
func (c *cursor) kind() kind {
	code, err := c.dec.PeekCode()
	if err != nil {
		return kindNone
	}
	return kindOf(code)
}

func (c *cursor) want(wanted kind) error {
	if got := c.kind(); got != wanted {
		return fmt.Errorf("is %s, not %s", got, wanted)
	}
	return nil
}

func (c *cursor) arrayLen() (int, error) {
	if err := c.want(kindArray); err != nil {
		return 0, err
	}
	return c.dec.DecodeArrayLen()
}

func (c *cursor) mapLen() (int, error) {
	if err := c.want(kindMap); err != nil {
		return 0, err
	}
	return c.dec.DecodeMapLen()
}

// skip passes over the value.
func (c *cursor) skip() error {
	values := 0
	return c.walk(0, &values)
}

// raw returns a copy of the value's bytes.
func (c *cursor) raw() ([]byte, error) {
	start := c.offset()
	if err := c.skip(); err != nil {
		return nil, err
	}
	return bytes.Clone(c.data[start:c.offset()]), nil
}

// text reads a string of at most limit bytes.
func (c *cursor) text(limit int) (string, error) {
	if err := c.want(kindText); err != nil {
		return "", err
	}
	s, err := c.dec.DecodeString()
	switch {
	case err != nil:
		return "", err
	case len(s) > limit:
		return "", fmt.Errorf("has %d bytes, more than %d", len(s), limit)
	case !utf8.ValidString(s):
		return "", errors.New("is not valid UTF-8")
	}
	return s, nil
}

func (c *cursor) textOrNil(limit int) (string, error) {
	if c.kind() == kindNil {
		return "", c.skip()
	}
	return c.text(limit)
}

// number reads a finite integer or float.
func (c *cursor) number() (float64, error) {
	switch got := c.kind(); got {
	case kindInteger:
		i, err := c.integer()
		if u, ok := i.(uint64); ok {
			return float64(u), err
		}
		signed, _ := i.(int64)
		return float64(signed), err
	case kindFloat:
		f, err := c.dec.DecodeFloat64()
		if err == nil && !finite(f) {
			err = errors.New("is not finite")
		}
		return f, err
	default:
		return 0, fmt.Errorf("is %s, not a number", got)
	}
}

// integer reads an int64, or a uint64 if it is above every int64.
func (c *cursor) integer() (any, error) {
	code, err := c.dec.PeekCode()
	if err != nil {
		return nil, err
	}
	if code == msgpcode.Uint64 {
		u, err := c.dec.DecodeUint64()
		if u <= math.MaxInt64 {
			return int64(u), err
		}
		return u, err
	}
	return c.dec.DecodeInt64()
}

// count reads an integer from 0 to limit. A float without a fraction will
// do: locustfiles compute numbers.
func (c *cursor) count(limit int) (int, error) {
	n, err := c.number()
	switch {
	case err != nil:
		return 0, err
	case n != math.Trunc(n):
		return 0, errors.New("is not a whole number")
	case n < 0 || n > float64(limit):
		return 0, fmt.Errorf("is not between 0 and %d", limit)
	}
	return int(n), nil
}

// fields reads a map and calls read for each key, with the cursor at the
// key's value, which read must pass over. Keys that aren't strings, and their
// values, are skipped. The error names the field.
func (c *cursor) fields(read func(name string) error) error {
	n, err := c.mapLen()
	if err != nil {
		return fmt.Errorf("data %w", err)
	}
	for range n {
		if c.kind() != kindText {
			if err := errors.Join(c.skip(), c.skip()); err != nil {
				return err
			}
			continue
		}
		name, err := c.dec.DecodeString()
		if err != nil {
			return err
		}
		if err := read(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
