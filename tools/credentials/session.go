package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"
	kubernetes "github.com/hashicorp/vault/api/auth/kubernetes"
)

// requestTimeout bounds each request, so that a Vault that accepts connections and says nothing is noticed.
const requestTimeout = 10 * time.Second

// session is one login: a client with a token, and how long that token lives.
type session struct {
	client *api.Client
	life   lifetime
}

// newClient makes a client that trusts the configured authority only, which is read anew for each login.
func newClient(settings vaultConfig) (*api.Client, error) {
	options := api.DefaultConfig()
	options.Address = settings.Address
	options.Timeout = requestTimeout
	options.MaxRetries = 0
	if err := options.ConfigureTLS(&api.TLSConfig{CACert: settings.Authority}); err != nil {
		return nil, fmt.Errorf("the authority %s cannot be used: %w", settings.Authority, err)
	}
	return api.NewClient(options)
}

// login opens a session with the service account's token, which Kubernetes replaces in its file from time to time.
func login(ctx context.Context, settings vaultConfig) (*session, error) {
	client, err := newClient(settings)
	if err != nil {
		return nil, err
	}
	method, err := kubernetes.NewKubernetesAuth(settings.Role,
		kubernetes.WithMountPath(settings.Mount), kubernetes.WithServiceAccountTokenPath(settings.TokenFile))
	if err != nil {
		return nil, err
	}
	answer, err := client.Auth().Login(ctx, method)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", settings.Role, err)
	}
	return &session{client: client, life: tokenLife(answer.Auth)}, nil
}

func tokenLife(auth *api.SecretAuth) lifetime {
	return newLifetime(time.Duration(auth.LeaseDuration)*time.Second, auth.Renewable)
}

// renew extends the token and reports whether that was worth it; if not, it is time for a new login.
func (s *session) renew(ctx context.Context) (bool, error) {
	if !s.life.renewable {
		return false, nil
	}
	answer, err := s.client.Auth().Token().RenewSelfWithContext(ctx, int(s.life.whole.Seconds()))
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return s.life.extend(time.Duration(answer.Auth.LeaseDuration) * time.Second), nil
}

// alive asks Vault whether the token still stands. A role without the policy "default" may not ask; then it stands
// until a request says otherwise.
func (s *session) alive(ctx context.Context) (bool, error) {
	_, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	if invalidToken(err) {
		return false, nil
	}
	if refused(err) {
		return true, nil
	}
	return true, err
}

// revoke ends the token, and with it every lease that was made with it.
func (s *session) revoke(ctx context.Context) error {
	if err := s.client.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
		return fmt.Errorf("the end of a token: %w", err)
	}
	return nil
}
