package proto

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrMalformed says that bytes from a master aren't a Locust message, or that
// a field of it has the wrong type. The connection is still in step: the next
// message may be fine.
var ErrMalformed = errors.New("malformed message from the master")

// Decode reads one message, of at most MaxMessageBytes. What it returns
// shares no memory with b. It never panics; its errors are ErrMalformed and
// name the field, but never hold a value, because values can be secrets.
func Decode(b []byte) (Message, error) {
	c, err := newCursor(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n, err := c.arrayLen(); err != nil || n != 3 {
		return nil, fmt.Errorf("%w: not an array of three", ErrMalformed)
	}
	kind, err := c.text(maxTypeBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: type: %w", ErrMalformed, err)
	}
	m, err := decodeData(kind, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %.40q: %w", ErrMalformed, kind, err)
	}
	return m, nil
}

// decodeData reads the second element.
func decodeData(kind string, c *cursor) (Message, error) {
	switch kind {
	case typeStop:
		return Stop{}, nil
	case typeQuit:
		return Quit{}, nil
	case typeReconnect:
		return Reconnect{}, nil
	case typeHeartbeat:
		return Heartbeat{}, nil
	case typeAck:
		return decodeAck(c)
	case typeSpawn:
		return decodeSpawn(c)
	case typeSpawningComplete:
		return decodeSpawningComplete(c)
	case typeUpdateUserClass:
		return decodeUpdateUserClass(c)
	}
	raw, err := c.raw()
	if err != nil {
		return nil, err
	}
	return Custom{Type: kind, Data: rawData(raw)}, nil
}

func decodeAck(c *cursor) (Message, error) {
	m := Ack{Index: -1}
	if c.kind() == kindNil { // a master before 2.11
		return m, nil
	}
	err := c.fields(func(name string) (err error) {
		switch name {
		case "index":
			m.Index, err = c.count(math.MaxInt32)
		default:
			err = c.skip()
		}
		return err
	})
	return m, err
}

func decodeSpawn(c *cursor) (Message, error) {
	m := Spawn{Timestamp: math.NaN()}
	err := c.fields(func(name string) (err error) {
		switch name {
		case "timestamp":
			m.Timestamp, err = c.number()
		case "user_classes_count":
			m.UserClassesCount, err = c.userCounts()
		case "host":
			m.Host, err = c.textOrNil(maxHostBytes)
		case "stop_timeout":
			m.StopTimeout, err = c.secondsOrNil()
		case "parsed_options":
			m.ParsedOptions, err = c.rawMap()
		default:
			err = c.skip()
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case math.IsNaN(m.Timestamp):
		return nil, errors.New("timestamp is missing")
	case m.UserClassesCount == nil:
		return nil, errors.New("user_classes_count is missing")
	}
	return m, nil
}

func decodeSpawningComplete(c *cursor) (Message, error) {
	m := SpawningComplete{UserCount: -1}
	err := c.fields(func(name string) (err error) {
		switch name {
		case "user_count":
			m.UserCount, err = c.count(maxUsers)
		default:
			err = c.skip()
		}
		return err
	})
	if err == nil && m.UserCount < 0 {
		err = errors.New("user_count is missing")
	}
	return m, err
}

func decodeUpdateUserClass(c *cursor) (Message, error) {
	start := c.offset()
	m := UpdateUserClass{}
	err := c.fields(func(name string) (err error) {
		switch name {
		case "user_class_name":
			m.ClassName, err = c.text(maxClassBytes)
		default:
			err = c.skip()
		}
		return err
	})
	if err == nil && m.ClassName == "" {
		err = errors.New("user_class_name is missing")
	}
	if err != nil {
		return nil, err
	}
	m.Data = rawData(bytes.Clone(c.data[start:c.offset()]))
	return m, nil
}

// userCounts reads {class: users}.
func (c *cursor) userCounts() (map[string]int, error) {
	if err := c.want(kindMap); err != nil {
		return nil, err
	}
	n, err := c.mapLen()
	if err != nil {
		return nil, err
	}
	if n > maxClasses {
		return nil, fmt.Errorf("%d classes are more than %d", n, maxClasses)
	}
	counts := make(map[string]int, n)
	for range n {
		class, err := c.text(maxClassBytes)
		if err != nil {
			return nil, fmt.Errorf("class name: %w", err)
		}
		if counts[class], err = c.count(maxUsers); err != nil {
			return nil, fmt.Errorf("%.80q: %w", class, err)
		}
	}
	return counts, nil
}

// secondsOrNil reads a time span; nil is 0, as is what's too short to
// measure, and what a Duration can't hold is the longest that it can.
func (c *cursor) secondsOrNil() (time.Duration, error) {
	if c.kind() == kindNil {
		return 0, c.skip()
	}
	seconds, err := c.number()
	if err != nil {
		return 0, err
	}
	if seconds < 0 {
		return 0, errors.New("is negative")
	}
	if seconds >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
