package main

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"upsurge/targets"
	"upsurge/targets/httpd"
)

// targetTLSFlags are the options that turn on TLS.
type targetTLSFlags struct {
	certificate, key, selfSigned string
}

func newTargetHTTPCommand() *cobra.Command {
	var flags targetFlags
	var secure targetTLSFlags
	command := &cobra.Command{
		Use:   "http",
		Short: "Answer HTTP/1.1 requests, on request slowly, at length, or with an error",
		Long: `Answers "ok" to every HTTP/1.1 request, or what the request asks for:

  /?size=1048576         a body of that many bytes (up to 1 GiB)
  /?delay=50ms           the answer waits (up to 1 h)
  /?status=503           that status
  /close or /?close=1    the connection is closed after the response

Parameters combine. With TLS each connection costs a goroutine: enough for
testing HTTPS clients, not for a million connections.`,
		Example: "  upsurge target http --listen 127.0.0.1:8000 --admin 127.0.0.1:0",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			certificate, err := secure.load(flags.processes)
			if err != nil {
				return err
			}
			return flags.run(command, func(binding targets.Binding) (targetServer, error) {
				return asTargetServer(httpd.New(httpd.Config{Binding: binding, Certificate: certificate}))
			})
		},
	}
	flags.register(command)
	command.Flags().StringVar(&secure.certificate, "tls-cert", "", "file with the certificate (PEM); turns on TLS")
	command.Flags().StringVar(&secure.key, "tls-key", "", "file with the certificate's key (PEM)")
	command.Flags().StringVar(&secure.selfSigned, "tls-self-signed", "", "turn on TLS with a certificate made on the spot, written to this `file` for clients to trust")
	return command
}

// load returns the certificate to serve with, or nil for plain HTTP.
func (f *targetTLSFlags) load(processes int) (*tls.Certificate, error) {
	switch {
	case f.selfSigned != "" && (f.certificate != "" || f.key != ""):
		return nil, usageError("--tls-self-signed excludes --tls-cert and --tls-key")
	case (f.certificate == "") != (f.key == ""):
		return nil, usageError("--tls-cert and --tls-key belong together: give both")
	case f.selfSigned != "" && processes != 1:
		return nil, usageError("--tls-self-signed makes one certificate for one process: with --processes give --tls-cert and --tls-key")
	case f.selfSigned != "":
		return f.makeCertificate()
	case f.certificate == "":
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return nil, fmt.Errorf("loading the certificate: %w", err)
	}
	return &pair, nil
}

func (f *targetTLSFlags) makeCertificate() (*tls.Certificate, error) {
	// Without a name the certificate still covers localhost.
	name, _ := os.Hostname()
	certificate, key, err := httpd.SelfSigned(name)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	if err := os.WriteFile(f.selfSigned, certificate, 0o644); err != nil {
		return nil, fmt.Errorf("writing the certificate for clients: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	return &pair, nil
}
