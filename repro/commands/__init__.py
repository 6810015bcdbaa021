"""One module a subcommand: it parses options, calls the thinking modules, prints."""
