// Package link holds the NATS connection: it starts without a server, and never gives up.
package link

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	reconnectWait = 250 * time.Millisecond
	reconnectMix  = 250 * time.Millisecond
	drainTime     = 3 * time.Second
	logPace       = 5 * time.Second
)

// Connect opens the connection; it returns at once, whether or not a server is there.
func Connect(url, nkeyFile, name string, log *slog.Logger) (*nats.Conn, error) {
	log = log.With("component", "nats")
	failing := &paced{}
	options := []nats.Option{
		nats.Name(name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // keys may be put right while we run
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectMix, reconnectMix),
		nats.PingInterval(10 * time.Second),
		nats.DrainTimeout(drainTime),
		nats.ConnectHandler(func(c *nats.Conn) { log.Info("connected", "server", c.ConnectedServerName()) }),
		nats.ReconnectHandler(func(c *nats.Conn) { log.Info("connected again", "server", c.ConnectedServerName()) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil {
				log.Info("connection ended from here")
				return
			}
			log.Warn("connection lost", "error", err.Error())
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if failing.now() {
				log.Error("cannot connect", "error", text(err))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { tell(log, sub, err) }),
	}
	if nkeyFile != "" {
		key, err := nats.NkeyOptionFromSeed(nkeyFile)
		if err != nil {
			return nil, err
		}
		options = append(options, key)
	}
	return nats.Connect(url, options...)
}

// Close drains the connection within its bound; without a server there is nothing to drain.
func Close(c *nats.Conn) {
	closed := make(chan struct{})
	var once sync.Once
	c.SetClosedHandler(func(*nats.Conn) { once.Do(func() { close(closed) }) })
	if err := c.Drain(); err != nil {
		c.Close()
		return
	}
	select {
	case <-closed:
	case <-time.After(drainTime + time.Second):
		c.Close()
	}
}

func tell(log *slog.Logger, sub *nats.Subscription, err error) {
	if sub == nil {
		log.Error("error of the connection", "error", text(err))
		return
	}
	// The client tells it once each time a subscription becomes too slow, not once per message.
	if errors.Is(err, nats.ErrSlowConsumer) {
		pending, _, _ := sub.Pending()
		dropped, _ := sub.Dropped()
		log.Error("messages dropped", "error", text(err), "subject", sub.Subject, "pending", pending, "dropped", dropped)
		return
	}
	log.Error("error of a subscription", "error", text(err), "subject", sub.Subject)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// paced is true at most once in a while.
type paced struct {
	mu   sync.Mutex
	last time.Time
}

func (p *paced) now() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) < logPace {
		return false
	}
	p.last = time.Now()
	return true
}
