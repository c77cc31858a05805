package supervisetest

func systemdScenarios() []Scenario { return nil }
