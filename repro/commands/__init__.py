"""One module per subcommand: it reads options, calls what does the work (mostly `repro.api`), prints."""

from repro.own_packages import claim

claim("models")  # a command's process is ours: whatever folder it was started in, all our names are too
