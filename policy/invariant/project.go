package invariant

// projectRules returns the rules about the project, which the stack shares with others.
func projectRules() []Rule {
	return []Rule{{
		Name:   "api-stays-enabled",
		What:   "Destroying a stack disables no API.",
		Why:    "Others in the project may use the API, and may lose what it manages.",
		Source: `Terraform provider for Google Cloud, "google_project_service", disable_on_destroy`,
		resource: on(func(s value) []finding {
			return s.at("disableOnDestroy").must(false)
		}, "gcp:projects/service:Service"),
	}}
}
