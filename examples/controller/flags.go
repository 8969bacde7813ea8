package main

import (
	"flag"
	"fmt"
	"runtime/debug"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tmc-sdk/tmc/examples/controller/config"
)

// flags are the few settings that vary by replica, or from one start to the
// next; all else is in the configuration file.
type flags struct {
	config     string
	kubeconfig string
	context    string
	health     string
	address    string
	level      string
	replica    string
	print      bool
}

func parse(args []string) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("controller", flag.ContinueOnError)
	set.StringVar(&f.config, "config", "controller.yaml", "configuration file")
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig, where the configuration names none; default: the service account of the pod")
	set.StringVar(&f.context, "context", "", "context in the kubeconfig, where the configuration names none")
	set.StringVar(&f.health, "health-address", "", "overrides serving.health")
	set.StringVar(&f.address, "address", "", "overrides serving.address")
	set.StringVar(&f.level, "log-level", "", "overrides logging.level")
	set.StringVar(&f.replica, "replica", "", "name of this replica among those that share the workspaces; default: the host's name")
	set.BoolVar(&f.print, "print-config", false, "print the effective configuration and end")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: there are only flags (-h lists them)", set.Arg(0))
	}
	return f, nil
}

// load reads the configuration, with what the flags override.
func (f *flags) load(known config.Known) (*config.Configuration, error) {
	return config.Load(f.config, known, func(c *config.Configuration) {
		for _, o := range []struct {
			field *string
			value string
		}{{&c.Serving.Health, f.health}, {&c.Serving.Address, f.address}, {&c.Logging.Level, f.level}} {
			if o.value != "" {
				*o.field = o.value
			}
		}
	})
}

// connect returns the config of a connection. What it leaves out is that of
// the flags, then that of the pod.
func (f *flags) connect(c config.Connection) (*rest.Config, error) {
	if c.Kubeconfig == "" {
		c.Kubeconfig = f.kubeconfig
	}
	if c.Context == "" {
		c.Context = f.context
	}
	if c.Kubeconfig == "" {
		cfg, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no kubeconfig is given, and this is no pod: name one with --kubeconfig or in the configuration: %w", err)
		}
		return unlimited(cfg), nil
	}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: c.Context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	return unlimited(cfg), nil
}

// unlimited leaves limiting to the priority and fairness of API servers.
func unlimited(cfg *rest.Config) *rest.Config {
	cfg.QPS = -1
	cfg.UserAgent = "tmc-controller/" + version()
	return cfg
}

// version of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
