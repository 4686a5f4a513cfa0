"""Small models and pictures whose class is planted, for the tests of tuning."""

import torch

import mimviz as mv
from mimviz.data import Batches

HALF = (0.5, 0.5, 0.5)
SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}


def masked(seed=0, *, dim=16, decoder=1, **options):
    torch.manual_seed(seed)
    encoder = mv.encoder("vit_tiny_patch16_224", **SMALL | {"positions": "sincos"} | options)
    return mv.recipes.mae(encoder, dim=dim, depth=decoder).eval()


def plain(seed=0, classes=3, name="vit_tiny_patch16_224", **options):
    """A timm ViT whose logits are not all near zero."""
    torch.manual_seed(seed)
    vit = mv.load_vit(name, pretrained=False, num_classes=classes, **SMALL | options)
    for head in (vit.head, getattr(vit, "head_dist", None)):
        if head is not None:
            torch.nn.init.normal_(head.weight)
    return vit


def planted(count=24, seed=0):
    """Pictures of noise with one coloured corner; which corner and colour is the class (0, 1, 2)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    for image, label in zip(images, labels.tolist(), strict=True):
        row, col = ((0, 0), (0, 8), (8, 4))[label]
        image[label, row : row + 8, col : col + 8] = 250
    return images, labels


def batches(count=24, size=6, **options):
    images, labels = planted(count)
    return Batches(images, size, mean=HALF, std=HALF, labels=labels, **{"augment": False, **options})


def normalized(images):
    return (images / 255 - 0.5) / 0.5


def weights(model):
    """All numbers that a model has, in a row."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trainable(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def is_frozen(before, model):
    """Whether a state dict from before still holds."""
    return all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def number(x):
    """A scalar, with a gradient or without."""
    return float(x.detach()) if isinstance(x, torch.Tensor) else float(x)
