package httpqps

import (
	"fmt"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// The values of --http-client.
const (
	clientAuto     = "auto"
	clientEngine   = "engine"
	clientFasthttp = "fasthttp"
)

// maxEngineRequest bounds the request of the engine's client: a connection of
// an event loop keeps no more of what the kernel doesn't take at once.
const maxEngineRequest = engine.WriteBufferLimit

// chooseClient returns the client that the option asks for, or the one that
// suits the target and the size of the request.
func chooseClient(option string, secure bool, size int) (string, error) {
	lacks := "" // what the engine's client can't do
	switch {
	case secure:
		lacks = "does not speak https"
	case size > maxEngineRequest:
		lacks = fmt.Sprintf("sends requests of at most %d bytes, this one has %d", maxEngineRequest, size)
	}
	switch {
	case option == clientFasthttp || (option == clientAuto && lacks != ""):
		return clientFasthttp, nil
	case lacks != "":
		return "", fmt.Errorf("--http-client=engine %s: leave the choice to --http-client=auto, or take fasthttp", lacks)
	default:
		return clientEngine, nil
	}
}

// onLoops is the class whose users live on event loops: the engine's client.
type onLoops struct{ *definition }

// onGoroutines is the class whose users have a goroutine each: fasthttp's.
type onGoroutines struct{ *definition }

var (
	_ user.Chooser            = (*definition)(nil)
	_ user.EventDefinition    = onLoops{}
	_ user.BlockingDefinition = onGoroutines{}
)

// Choose implements user.Chooser.
func (d *definition) Choose() user.Definition {
	if d.client == clientEngine {
		return onLoops{d}
	}
	return onGoroutines{d}
}

// Bind implements user.EventDefinition.
func (d onLoops) Bind(scope user.Scope) user.EventSource { return newLoopSource(d.definition, scope) }

// NewUser implements user.BlockingDefinition. Safe from any goroutine once
// Prepare has returned.
func (d onGoroutines) NewUser(scope user.Scope) user.BlockingUser {
	return newVisitor(d.definition, scope)
}
