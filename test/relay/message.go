package relay

import "time"

// Direction is the way that a message goes.
type Direction int

// The two directions.
const (
	ToMaster Direction = iota
	ToWorker
)

// Message is one message that came to the relay.
type Message struct {
	At         time.Time // when its last byte was read
	Direction  Direction
	Connection int // from 1, in the order of the workers' dials
	Type       string
	Data       any // as msgpack has it; maps are map[any]any
	Node       string
	Bytes      int
}

// Field is an entry of the message's data, or nil.
func (m Message) Field(key string) any {
	table, _ := m.Data.(map[any]any)
	return table[key]
}

// Users are the numbers of users by class that a worker reported or a master
// asked for, and their sum; ok is false for messages without such.
func (m Message) Users() (classes map[string]int, sum int, ok bool) {
	table, ok := m.Field("user_classes_count").(map[any]any)
	if !ok {
		return nil, 0, false
	}
	classes = make(map[string]int, len(table))
	for name, count := range table {
		n := int(Number(count))
		text, _ := name.(string)
		classes[text] = n
		sum += n
	}
	return classes, sum, true
}

// Number is the value of any of msgpack's numbers, 0 for anything else.
func Number(value any) float64 {
	switch n := value.(type) {
	case int8:
		return float64(n)
	case int16:
		return float64(n)
	case int32:
		return float64(n)
	case int64:
		return float64(n)
	case uint8:
		return float64(n)
	case uint16:
		return float64(n)
	case uint32:
		return float64(n)
	case uint64:
		return float64(n)
	case float32:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// Messages returns what passed so far and is wanted, in the order in which it
// came; all of it for nil.
func (r *Relay) Messages(wanted func(Message) bool) []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Message
	for _, m := range r.seen {
		if wanted == nil || wanted(m) {
			list = append(list, m)
		}
	}
	return list
}

// Count is the number of messages of a type so far, in one direction.
func (r *Relay) Count(direction Direction, kind string) int {
	return len(r.Messages(func(m Message) bool { return m.Direction == direction && m.Type == kind }))
}

// Last returns the latest message of a type in one direction.
func (r *Relay) Last(direction Direction, kind string) (Message, bool) {
	list := r.Messages(func(m Message) bool { return m.Direction == direction && m.Type == kind })
	if len(list) == 0 {
		return Message{}, false
	}
	return list[len(list)-1], true
}
