"""One module per subcommand: it parses options, calls the thinking modules, prints."""

from repro.own_packages import claim

claim("models")  # a command's process is ours: whatever folder it was started in, all our names are too
