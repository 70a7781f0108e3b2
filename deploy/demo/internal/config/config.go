// Package config reads the command line of a demo program; every flag can also come from the environment.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// Names of the programs.
const (
	Orders    = "orders"
	Payments  = "payments"
	Inventory = "inventory"
	Load      = "load"
)

// MostRate is how many requests per second the load may make at most.
const MostRate = 1000

// Config is what a program was told; which fields matter depends on the program.
type Config struct {
	Service     string
	Instance    string
	Version     string
	NATS        string
	NkeyFile    string
	ReadyFile   string
	HTTPHost    string
	HTTPPort    int
	Workers     int
	AllowFaults bool
	Faults      string

	// Rate is the load in requests per second, For how long it lasts (0: until the program is ended).
	Rate float64
	For  time.Duration

	// The durable consumer of inventory.
	AckWait       time.Duration
	MaxDeliver    int
	MaxAckPending int
}

var (
	token  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	semver = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// Parse reads the flags of one program. A flag --some-thing that is not given is looked up as DEMO_SOME_THING.
func Parse(service string, arguments []string, getenv func(string) string, usage io.Writer) (Config, error) {
	c := Config{Service: service}
	flags := flag.NewFlagSet(service, flag.ContinueOnError)
	flags.SetOutput(usage)
	c.register(flags)
	if err := fromEnvironment(flags, getenv); err != nil {
		return c, err
	}
	if err := flags.Parse(arguments); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, c.check()
}

func (c *Config) register(flags *flag.FlagSet) {
	flags.StringVar(&c.NATS, "nats", "nats://127.0.0.1:4222", "server URL")
	flags.StringVar(&c.NkeyFile, "nkey-file", "", "seed file of a user in the account of the application")
	flags.StringVar(&c.Instance, "instance", "i1", "name of this copy")
	flags.StringVar(&c.Version, "version", "1.0.0", "version that it reports")
	flags.StringVar(&c.ReadyFile, "ready-file", "", "file to write pid and port into, once ready")
	if c.Service == Orders || c.Service == Load {
		flags.Float64Var(&c.Rate, "rate", map[string]float64{Load: 10}[c.Service], "requests per second to make (0: none)")
	}
	if c.Service == Load {
		flags.DurationVar(&c.For, "for", 0, "end after this time (0: when told to)")
		return
	}
	flags.StringVar(&c.HTTPHost, "http-host", "127.0.0.1", "address to serve HTTP on")
	flags.IntVar(&c.HTTPPort, "http-port", 0, "port to serve HTTP on (0: any)")
	flags.IntVar(&c.Workers, "workers", 4, "requests of one operation handled at a time")
	flags.BoolVar(&c.AllowFaults, "allow-faults", false, "obey the fault switches")
	flags.StringVar(&c.Faults, "faults", "", "switches to turn on at the start: NAME[=AMOUNT][@SECONDS],...")
	if c.Service == Inventory {
		flags.DurationVar(&c.AckWait, "ack-wait", 30*time.Second, "when an event that is not acknowledged comes again")
		flags.IntVar(&c.MaxDeliver, "max-deliver", 5, "how often an event is delivered at most (-1: without end)")
		flags.IntVar(&c.MaxAckPending, "max-ack-pending", 32, "how many events may wait for their acknowledgement")
	}
}

func fromEnvironment(flags *flag.FlagSet, getenv func(string) string) error {
	var wrong error
	flags.VisitAll(func(f *flag.Flag) {
		name := "DEMO_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := getenv(name); value != "" {
			if err := f.Value.Set(value); err != nil {
				wrong = errors.Join(wrong, fmt.Errorf("%s=%q: %w", name, value, err))
			}
		}
	})
	return wrong
}

func (c *Config) check() error {
	switch {
	case !token.MatchString(c.Instance):
		return fmt.Errorf("--instance %q: use a-z, 0-9 and -, at most 63", c.Instance)
	case !semver.MatchString(c.Version):
		return fmt.Errorf("--version %q: say MAJOR.MINOR.PATCH", c.Version)
	case !(c.Rate >= 0 && c.Rate <= MostRate):
		return fmt.Errorf("--rate %g: 0 to %d per second", c.Rate, MostRate)
	case c.For < 0:
		return fmt.Errorf("--for %s: not negative", c.For)
	case c.Service == Load:
		return nil
	case c.HTTPPort < 0 || c.HTTPPort > 65535:
		return fmt.Errorf("--http-port %d: 0 to 65535", c.HTTPPort)
	case c.Workers < 1 || c.Workers > 64:
		return fmt.Errorf("--workers %d: 1 to 64", c.Workers)
	case c.Service != Inventory:
		return nil
	case c.AckWait < 100*time.Millisecond:
		return fmt.Errorf("--ack-wait %s: at least 100ms", c.AckWait)
	case c.MaxDeliver != -1 && c.MaxDeliver < 1:
		return fmt.Errorf("--max-deliver %d: -1, or at least 1", c.MaxDeliver)
	case c.MaxAckPending < 1:
		return fmt.Errorf("--max-ack-pending %d: at least 1", c.MaxAckPending)
	}
	return nil
}
