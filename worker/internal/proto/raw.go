package proto

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf8"
)

// redacted is a msgpack value that stays undecoded until it is wanted, and
// never shows its content through fmt, slog or encoding/json. It is behind
// two pointers because fmt, when it prints an unexported field of some
// struct, calls none of the methods below: it prints pointers as addresses,
// but follows a single one when the verb doesn't fit.
type redacted struct {
	content **[]byte
}

// Len is the length of the encoded value in bytes.
func (r redacted) Len() int {
	if r.content == nil {
		return 0
	}
	return len(**r.content)
}

// String returns the length of the content instead of the content.
func (r redacted) String() string { return fmt.Sprintf("[redacted %d bytes]", r.Len()) }

// GoString is String.
func (r redacted) GoString() string { return r.String() }

// Format writes String for every verb.
func (r redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue is String.
func (r redacted) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText is String.
func (r redacted) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// decode reads the content. Nothing at all is nil.
func (r redacted) decode() (any, error) {
	if r.content == nil {
		return nil, nil
	}
	c, err := newCursor(**r.content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	v, err := c.value()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return v, nil
}

// RawMap is a map that stays undecoded until it is wanted. It can hold
// secrets, such as the web interface's password, and never shows its content
// in logs. The zero RawMap is an empty map.
type RawMap struct{ redacted }

// RawData is like RawMap, for values of any kind. The zero RawData is nil.
type RawData struct{ redacted }

func rawData(content []byte) RawData {
	inner := &content
	return RawData{redacted{&inner}}
}

// EncodeMap returns a RawMap that decodes to m; the values are as in
// WorkerCustom.Data.
func EncodeMap(m map[string]any) (RawMap, error) {
	raw, err := EncodeData(m)
	return RawMap(raw), err
}

// EncodeData returns a RawData that decodes to v, which is as
// WorkerCustom.Data.
func EncodeData(v any) (RawData, error) {
	w := newWriter(nil)
	w.value(v, 0)
	content, err := w.finish()
	if err != nil {
		return RawData{}, err
	}
	return rawData(content), nil
}

// Decode returns the map as Go values: nil, bool, int64 (or uint64 if it is
// above every int64), float64, string, []string for an array of nothing but
// strings, []any for any other array, and map[string]any. Bytes become a
// string; integers and other scalars that are keys become their text; what
// stands for a time or an ObjectId becomes the text that it holds; msgpack
// extensions become nil.
func (r RawMap) Decode() (map[string]any, error) {
	v, err := r.decode()
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return v, nil
	}
	return nil, fmt.Errorf("%w: not a map", ErrMalformed)
}

// Decode returns the value; the types are as RawMap.Decode has them.
func (r RawData) Decode() (any, error) { return r.decode() }

// rawMap reads a map, or nil for an empty one, without decoding it.
func (c *cursor) rawMap() (RawMap, error) {
	if c.kind() == kindNil {
		return RawMap{}, c.skip()
	}
	if err := c.want(kindMap); err != nil {
		return RawMap{}, err
	}
	raw, err := c.raw()
	if err != nil {
		return RawMap{}, err
	}
	return RawMap(rawData(raw)), nil
}

// value reads any value.
func (c *cursor) value() (any, error) {
	switch c.kind() {
	case kindBool:
		return c.dec.DecodeBool()
	case kindInteger:
		return c.integer()
	case kindFloat:
		return c.dec.DecodeFloat64()
	case kindText, kindBinary:
		b, err := c.dec.DecodeBytes()
		return strings.ToValidUTF8(string(b), string(utf8.RuneError)), err
	case kindArray:
		return c.list()
	case kindMap:
		return c.table()
	}
	return nil, c.skip()
}

func (c *cursor) list() (any, error) {
	n, err := c.arrayLen()
	if err != nil {
		return nil, err
	}
	items := make([]any, 0, n)
	texts := make([]string, 0, n)
	for range n {
		item, err := c.value()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if text, ok := item.(string); ok {
			texts = append(texts, text)
		}
	}
	if len(texts) == n {
		return texts, nil
	}
	return items, nil
}

func (c *cursor) table() (any, error) {
	n, err := c.mapLen()
	if err != nil {
		return nil, err
	}
	m := make(map[string]any, n)
	for range n {
		key, err := c.value()
		if err != nil {
			return nil, err
		}
		value, err := c.value()
		if err != nil {
			return nil, err
		}
		m[keyText(key)] = value
	}
	for _, marker := range markers {
		if text, ok := m["as_str"].(string); ok && m[marker] == true {
			return text, nil
		}
	}
	return m, nil
}

// keyText is the text of a map's key.
func keyText(key any) string {
	switch key := key.(type) {
	case string:
		return key
	case int64:
		return strconv.FormatInt(key, 10)
	case float64:
		return strconv.FormatFloat(key, 'g', -1, 64)
	}
	return fmt.Sprint(key)
}
