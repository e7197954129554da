//go:build goczmq

package zmq

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/zeromq/goczmq"
)

// library counts the users of libczmq, which has one context for the whole
// process and offers no other. Its first use is not safe from two goroutines,
// and only ending it waits until libzmq has sent what it holds.
var library struct {
	sync.Mutex
	users int
}

// errNoSocket is all that is known when libczmq makes no socket.
var errNoSocket = errors.New("libczmq made no socket; are descriptors left (ulimit -n)?")

// holdLibrary notes that a Dealer runs. The last one to let go ends libczmq:
// its threads and descriptors are gone then, and its queues sent or past their
// linger.
func holdLibrary() (release func()) {
	library.Lock()
	defer library.Unlock()
	library.users++
	return func() {
		library.Lock()
		defer library.Unlock()
		library.users--
		if library.users == 0 {
			goczmq.Shutdown()
		}
	}
}

// newSocket makes a socket, or says that there is none: the binding doesn't,
// and the library ends the process when such a socket is used.
func newSocket(kind int) (*goczmq.Sock, error) {
	library.Lock()
	defer library.Unlock()
	socket := goczmq.NewSock(kind)
	if reflect.ValueOf(socket).Elem().FieldByName("zsockT").IsNil() {
		return nil, fmt.Errorf("socket type %d: %w", kind, errNoSocket)
	}
	return socket, nil
}
