package supervisetest

func shutdownScenarios() []Scenario { return nil }
