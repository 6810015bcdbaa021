"""Models x runtimes x drivers x precisions."""
