package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"
)

// tokenName is the name by which templates of the environment know the agent's own token.
const tokenName = "token"

// agent keeps one set of files fresh. One goroutine runs it.
type agent struct {
	settings *config
	session  *session
	former   []*session
	sources  []*source
	pairs    []*keyPair
	files    *files
	volume   *volume
	child    *child
	status   *status
	inspect  time.Time
	trouble  time.Time
}

func newAgent(settings *config, child *child) *agent {
	made := &agent{settings: settings, child: child, status: &status{path: settings.Status}}
	made.files = &files{configs: settings.Files, written: map[string]string{}}
	for _, each := range settings.Sources {
		made.sources = append(made.sources, &source{config: each})
	}
	for _, each := range settings.KeyPairs {
		made.pairs = append(made.pairs, &keyPair{config: each})
	}
	if settings.Volume != nil {
		made.volume = &volume{config: *settings.Volume}
	}
	return made
}

// keep works until it is told to end, and returns only an error that waiting does not mend.
func (a *agent) keep(ctx context.Context) error {
	var pauses backoff
	for {
		err := a.step(ctx)
		if isFatal(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		a.report(err)
		debug.FreeOSMemory()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.pause(err, &pauses)):
		}
	}
}

// pause is how long there is nothing to do.
func (a *agent) pause(err error, pauses *backoff) time.Duration {
	if err != nil {
		return pauses.after()
	}
	pauses.reset()
	return time.Until(a.nextDue())
}

// step does all that is due. What failed is due again at the next step.
func (a *agent) step(ctx context.Context) error {
	for _, act := range []func(context.Context) error{a.holdToken, a.inspectLeases, a.openVolume} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	refreshed := a.refresh(ctx)
	if invalidToken(refreshed) {
		a.session = nil
		return refreshed
	}
	if a.isComplete() {
		return firstOf(refreshed, a.publish(ctx))
	}
	return refreshed
}

// holdToken sees to it that there is a token, and that it does not end.
func (a *agent) holdToken(ctx context.Context) error {
	if a.session == nil {
		return a.logIn(ctx)
	}
	if !a.session.life.isDue() {
		return nil
	}
	kept, err := a.session.renew(ctx)
	if kept || err != nil {
		return err
	}
	return a.logIn(ctx)
}

// logIn opens a new session. What was leased in the former one ends with it, so it is fetched anew.
func (a *agent) logIn(ctx context.Context) error {
	opened, err := login(ctx, a.settings.Vault)
	if err != nil {
		return err
	}
	if a.session != nil {
		a.former = append(a.former, a.session)
	}
	a.session = opened
	for _, each := range a.sources {
		if each.lease != "" {
			each.expire()
		}
	}
	slog.Info("logged in", "role", a.settings.Vault.Role, "expires", stamp(opened.life.expires))
	return nil
}

// inspectLeases asks from time to time whether token and leases still stand: what somebody revoked is replaced within
// seconds, and a Vault that is sealed shows in the status before anything is due.
func (a *agent) inspectLeases(ctx context.Context) error {
	if time.Now().Before(a.inspect) {
		return nil
	}
	alive, err := a.session.alive(ctx)
	if err != nil {
		return err
	}
	if !alive {
		a.session = nil
		return a.logIn(ctx)
	}
	if err := a.inspectSources(ctx); err != nil {
		return err
	}
	a.inspect = time.Now().Add(time.Duration(a.settings.Check))
	return nil
}

func (a *agent) inspectSources(ctx context.Context) error {
	for _, each := range a.sources {
		if each.lease == "" {
			continue
		}
		stands, err := each.stands(ctx, a.session.client)
		if err != nil {
			return err
		}
		if !stands {
			slog.Info("a lease was revoked", "source", each.config.Name)
			each.expire()
		}
	}
	return nil
}

func (a *agent) openVolume(ctx context.Context) error {
	if a.volume == nil || a.volume.isOpen {
		return nil
	}
	return a.volume.unlock(ctx, a.session.client)
}

// refresh does what is due of each source and key pair; one that fails does not hold up the others.
func (a *agent) refresh(ctx context.Context) error {
	var first error
	for _, each := range a.sources {
		if each.isDue() {
			each.err = each.refresh(ctx, a.session.client)
			first = firstOf(first, each.err)
		}
	}
	for _, each := range a.pairs {
		if each.isDue() {
			each.err = each.draw(ctx, a.session.client)
			first = firstOf(first, each.err)
		}
	}
	return first
}

// publish writes the files, then starts, restarts or tells whoever depends on them.
func (a *agent) publish(ctx context.Context) error {
	environment, err := a.environment()
	if err != nil {
		return err
	}
	changed, err := a.files.write(a.data())
	if err != nil {
		return err
	}
	return a.child.follow(ctx, environment, changed)
}

func (a *agent) environment() ([]string, error) {
	data := a.data()
	data[tokenName] = a.session.client.Token()
	var variables []string
	for _, name := range sortedKeys(a.settings.Environment) {
		value, err := render(name, a.settings.Environment[name], data)
		if err != nil {
			return nil, err
		}
		variables = append(variables, name+"="+value)
	}
	return variables, nil
}

// data is what templates see: each source and key pair by its name, with its end as "expires".
func (a *agent) data() map[string]any {
	data := map[string]any{}
	for _, each := range a.sources {
		data[each.config.Name] = withEnd(each.values, each.life)
	}
	for _, each := range a.pairs {
		data[each.config.Name] = withEnd(each.values, each.life)
	}
	return data
}

func withEnd(values map[string]any, life lifetime) map[string]any {
	copied := map[string]any{"expires": stamp(life.expires)}
	for name, value := range values {
		copied[name] = value
	}
	return copied
}

func (a *agent) isComplete() bool {
	for _, each := range a.items() {
		if !each.fetched {
			return false
		}
	}
	return true
}

func (a *agent) items() []item {
	var items []item
	for _, each := range a.sources {
		items = append(items, item{each.config.Name, each.values != nil, each.life, each.err})
	}
	for _, each := range a.pairs {
		items = append(items, item{each.config.Name, each.values != nil, each.life, each.err})
	}
	return items
}

func (a *agent) report(err error) {
	if err == nil {
		a.trouble = time.Time{}
	} else if a.trouble.IsZero() {
		a.trouble = time.Now()
	}
	a.status.tell(compose(err, a.trouble, a.items()))
}

// nextDue is the moment at which something has to be done.
func (a *agent) nextDue() time.Time {
	next := a.inspect
	lives := []lifetime{a.session.life}
	for _, each := range a.items() {
		lives = append(lives, each.life)
	}
	for _, life := range lives {
		if !life.due.IsZero() && life.due.Before(next) {
			next = life.due
		}
	}
	return next
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
