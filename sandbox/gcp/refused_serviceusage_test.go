package gcp

import "testing"

func TestRefused_serviceusage(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("agent of another service", KindServiceIdentity, Properties{"service": "run.googleapis.com"}, 400, "not emulated")
	refuse("service", KindService, Properties{"service": "compote.googleapis.com"}, 403, "Not found or permission denied for service(s): compote.googleapis.com., forbidden")
	refuse("service short", KindService, Properties{"service": "compute"}, 400, "full name of a service")
}
