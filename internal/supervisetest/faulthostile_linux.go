package supervisetest

func hostileScenarios() []Scenario { return nil }
