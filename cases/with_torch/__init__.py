"""All that needs torch: lowering a graph to a module, float64 references, conversion. Imported only when called."""
