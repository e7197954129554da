package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"upsurge/targets"
	"upsurge/targets/internal/server"
)

const (
	// tlsConcurrency replaces fasthttp's cap of 262,144 connections.
	tlsConcurrency = 1 << 20
	// acceptPause is how long accepting rests when descriptors have run out.
	acceptPause = 50 * time.Millisecond
)

// tlsServer serves the same answers over TLS, with fasthttp's server and a
// goroutine for each connection.
type tlsServer struct {
	listeners []*countingListener
	addresses []net.Addr
	secure    *tls.Config
	log       *slog.Logger
	started   time.Time
	books     books

	mu      sync.Mutex
	running bool
}

func newTLSServer(binding targets.Binding, certificate *tls.Certificate) (*tlsServer, error) {
	s := &tlsServer{
		log:     binding.Log,
		started: time.Now(),
		secure: &tls.Config{
			Certificates: []tls.Certificate{*certificate},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"http/1.1"},
		},
	}
	for _, address := range binding.Listen {
		bound, err := server.Bind(address, binding)
		if err != nil {
			return nil, errors.Join(server.BindError(address, err), s.closeAll())
		}
		s.listeners = append(s.listeners, newCountingListener(bound, &s.books))
		s.addresses = append(s.addresses, bound.Addr())
	}
	server.WarnIfClipped(binding)
	return s, nil
}

func (s *tlsServer) Addrs() []net.Addr { return s.addresses }

// Run serves until the context ends or a listening socket fails.
func (s *tlsServer) Run(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	engine := &fasthttp.Server{
		Handler:               func(r *fasthttp.RequestCtx) { s.serve(ctx, r) },
		Name:                  serverName,
		Concurrency:           tlsConcurrency,
		ReadBufferSize:        maxHead,
		StreamRequestBody:     true,
		SecureErrorLogMessage: true,
		Logger:                slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failures := make([]error, len(s.listeners))
	var serving sync.WaitGroup
	for i, l := range s.listeners {
		serving.Go(func() {
			defer cancel()
			failures[i] = s.accept(ctx, l, engine, &serving)
		})
	}
	<-ctx.Done()
	err := s.closeAll()
	serving.Wait()
	return errors.Join(append(failures, err)...)
}

// accept starts a goroutine for each connection; serving waits for all of
// them. fasthttp's own pool of them would outlive the server for a while.
func (s *tlsServer) accept(ctx context.Context, l *countingListener, engine *fasthttp.Server, serving *sync.WaitGroup) error {
	warned := false
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			serving.Go(func() {
				// What failed was counted where it happened.
				_ = engine.ServeConn(tls.Server(c, s.secure))
			})
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			if !warned {
				warned = true
				s.log.Error("can't accept more connections for now: raise ulimit -n", "error", err)
			}
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
		case errors.Is(err, syscall.ECONNABORTED):
		default:
			return fmt.Errorf("accepting on %s: %w", l.Addr(), err)
		}
	}
}

func (s *tlsServer) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return errors.New("the server was already run: make a new one")
	}
	s.running = true
	return nil
}

// serve runs on the goroutine of the request's connection.
func (s *tlsServer) serve(ctx context.Context, r *fasthttp.RequestCtx) {
	if !s.drain(r) {
		return
	}
	s.books.requests.Add(1)
	a := parseAnswer(r.RequestURI())
	if a.delay > 0 {
		timer := time.NewTimer(a.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			// Else fasthttp would send an empty response.
			_ = r.Conn().Close()
			return
		}
	}
	r.SetStatusCode(a.status)
	if a.close {
		r.SetConnectionClose()
	}
	if a.size == noSize {
		r.SetBodyString(a.text)
	} else {
		r.SetBodyStream(&patternReader{left: a.size}, int(a.size))
	}
	s.books.sent.Add(1)
}

// drain reads and drops the request's body. It reports false for one that is
// too large or breaks off.
func (s *tlsServer) drain(r *fasthttp.RequestCtx) bool {
	stream := r.RequestBodyStream()
	if stream == nil {
		return true
	}
	n, err := io.Copy(io.Discard, io.LimitReader(stream, MaxRequestBody+1))
	if err == nil && n <= MaxRequestBody {
		return true
	}
	s.books.errors.Add(1)
	r.SetConnectionClose()
	if n > MaxRequestBody {
		r.Error(errBodyTooLarge.Error()+"\n", fasthttp.StatusRequestEntityTooLarge)
	} else {
		r.Error("request body broke off\n", fasthttp.StatusBadRequest)
	}
	r.SetConnectionClose()
	return false
}

// Stats counts a response when its handler is through: what becomes of it
// afterwards fasthttp doesn't tell.
func (s *tlsServer) Stats() targets.Stats {
	closed := s.books.closed.Load()
	accepted := s.books.accepted.Load()
	requests := s.books.requests.Load()
	return targets.Stats{
		Counters: targets.Counters{
			Accepted: accepted, Open: accepted - closed, Closed: closed,
			Requests: requests, MessagesReceived: requests, MessagesSent: s.books.sent.Load(),
			BytesSent: s.books.bytesSent.Load(), BytesReceived: s.books.bytesReceived.Load(),
			AcceptErrors: s.books.acceptErrors.Load(), Errors: s.books.errors.Load(),
		},
		Processes:     1,
		UptimeSeconds: time.Since(s.started).Seconds(),
		PID:           os.Getpid(),
	}
}

// Close releases the addresses of a server that was never run.
func (s *tlsServer) Close() error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.closeAll()
}

func (s *tlsServer) closeAll() error {
	var faults []error
	for _, l := range s.listeners {
		faults = append(faults, l.closeAll())
	}
	return errors.Join(faults...)
}

// patternReader reads like a sized body.
type patternReader struct{ position, left int64 }

func (p *patternReader) Read(out []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	from := p.position % patternSize
	n := copy(out, pattern[from:min(patternSize, from+p.left)])
	p.position += int64(n)
	p.left -= int64(n)
	return n, nil
}
