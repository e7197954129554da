package worker

import (
	"errors"
	"fmt"

	"upsurge/worker/internal/proto"
)

// Message is one of a locustfile's own messages, as runner.send_message sends
// them and runner.register_message takes them.
type Message struct {
	// Type is a name of the locustfile's own, 1 to 255 bytes.
	Type string
	// Data is nil, bools, numbers, strings, []byte, or slices and maps of
	// these with strings or integers as keys. What comes from a master has
	// int64, uint64 and float64 as numbers and map[string]any as maps.
	Data any
}

// ErrMessagesWaiting says that messages are sent faster than the worker hands
// them to its connection.
var ErrMessagesWaiting = errors.New("too many messages of the user's own are waiting to be sent")

// customLimit is how many messages may wait for Run's goroutine.
const customLimit = 100

// SendMessage sends the master a message for a listener that its locustfile
// registered. Without a connection to the master the message is lost, which
// the log says. It never blocks; safe from any goroutine.
func (w *Worker) SendMessage(m Message) error {
	report := proto.WorkerCustom(m)
	if _, err := report.Append(nil, w.config.Identity); err != nil {
		return fmt.Errorf("message to the master: %w", err)
	}
	select {
	case w.custom <- report:
		return nil
	default:
		return fmt.Errorf("message %q to the master: %w", m.Type, ErrMessagesWaiting)
	}
}

// customArrived hands on a message that is not Locust's own.
func (w *Worker) customArrived(m proto.Custom) {
	if w.config.OnMessage == nil {
		w.config.Logger.Debug("ignoring a message of an unknown type", "type", m.Type)
		return
	}
	data, err := m.Data.Decode()
	if err != nil {
		w.config.Logger.Error("ignoring a message whose data cannot be read", "type", m.Type, "error", err)
		return
	}
	w.config.OnMessage(Message{Type: m.Type, Data: data})
}
