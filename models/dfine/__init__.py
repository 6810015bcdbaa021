"""D-FINE-S: the reference, its GPU-clean rewrite, the split in two graphs with a host step, and the conversion."""

import logging

# torchao, which transformers imports, warns at length about kernels for other machines.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
