package chainload

import "strings"

// Option is a flag of a command line.
type Option struct {
	Flag  byte
	Value string // "" where it takes none
}

// ParseOptions reads the flags at the start of args: letters after "-", alone or
// several in a word. Letters stand in flags, those that take a value with a
// colon behind; the value is the rest of the word or, where there is none, the
// next word. Flags end at the first word without "-", at "-", which is left in
// rest, and at any word that starts with "--", which is not.
//
// The options before a mistake are returned with it: the programs obey each
// before they read the next. The error is what they print, without what each
// adds about its usage.
//
// Source: daemontools 0.76 subgetopt.c and sgetopt.c.
func ParseOptions(program, flags string, args []string) (options []Option, rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		if !strings.HasPrefix(word, "-") || word == "-" {
			return options, args, nil
		}
		args = args[1:]
		if word[1] == '-' {
			return options, args, nil
		}
		for i := 1; i < len(word); i++ {
			flag := word[i]
			at := strings.IndexByte(flags, flag)
			if at < 0 || flag == ':' {
				return options, nil, usage(program + ": illegal option -- " + word[i:i+1])
			}
			if !strings.HasPrefix(flags[at+1:], ":") {
				options = append(options, Option{Flag: flag})
				continue
			}
			value := word[i+1:]
			if value == "" {
				if len(args) == 0 {
					return options, nil, usage(program + ": option requires an argument -- " + word[i:i+1])
				}
				value, args = args[0], args[1:]
			}
			options = append(options, Option{flag, value})
			break
		}
	}
	return options, nil, nil
}
