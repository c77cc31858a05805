package supervisetest

func folderScenarios() []Scenario { return nil }
