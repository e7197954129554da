package httpd

// phase is what a connection waits for.
type phase uint8

const (
	awaitingHead   phase = iota
	awaitingBody         // the rest of a request's body
	awaitingTime         // the end of a delay
	awaitingRoom         // the kernel's, for the rest of a sized body
	awaitingWrites       // the kernel's, for responses that are queued
)

// exchange is the state of a connection that is not idle: an idle one has
// none. Loop goroutine only.
type exchange struct {
	request  request
	body     body
	input    []byte // read and not understood yet
	position int64  // awaitingRoom: what of the sized body has gone
	queued   int64  // responses whose last bytes are in the connection's queue
	phase    phase
}

const (
	maxFreeExchanges = 1024
	keptInput        = 4 << 10
)

// exchangePool keeps exchanges for reuse. Loop goroutine only.
type exchangePool struct{ free []*exchange }

func (p *exchangePool) take() *exchange {
	if len(p.free) == 0 {
		return &exchange{}
	}
	ex := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return ex
}

func (p *exchangePool) put(ex *exchange) {
	if len(p.free) >= maxFreeExchanges {
		return
	}
	input := ex.input[:0]
	if cap(input) > keptInput {
		input = nil
	}
	*ex = exchange{input: input}
	p.free = append(p.free, ex)
}
