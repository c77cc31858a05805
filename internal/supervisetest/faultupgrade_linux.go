package supervisetest

func upgradeScenarios() []Scenario { return nil }
