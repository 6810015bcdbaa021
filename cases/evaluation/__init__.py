"""What a graph computes, op by op, in float64 or in an emulation of a target's arithmetic."""
