"""Images to patches and back: two reshapes that are exact inverses of each other."""

from keras import ops


def patchify(images, patch_size):
    """Cut images into non-overlapping square patches, in raster order.

    Shapes:
        images: (batch, height, width, channels), height and width multiples of ``patch_size``.
        returns: (batch, num_patches, patch_size * patch_size * channels).

    Raises:
        ValueError: if the image does not divide into whole patches.
    """
    _, height, width, channels = images.shape
    if height % patch_size or width % patch_size:
        raise ValueError(
            "The image does not divide into whole patches. Expected: sides that are multiples of "
            f"{patch_size} px. Received: {height}x{width} px"
        )
    rows, columns = height // patch_size, width // patch_size
    x = ops.reshape(images, (-1, rows, patch_size, columns, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, rows, columns, patch, patch, channels)
    return ops.reshape(x, (-1, rows * columns, patch_size * patch_size * channels))


def unpatchify(patches, patch_size, height, width):
    """Assemble images from their patches.

    Shapes:
        patches: (batch, num_patches, patch_size * patch_size * channels), raster order.
        returns: (batch, height, width, channels).

    Raises:
        ValueError: if the number of patches is not that of a ``height`` x ``width`` image.
    """
    rows, columns = height // patch_size, width // patch_size
    if patches.shape[1] != rows * columns:
        raise ValueError(
            f"Wrong number of patches. Expected: {rows * columns} patches of {patch_size} px for "
            f"an image of {height}x{width} px. Received: {patches.shape[1]}"
        )
    channels = patches.shape[2] // (patch_size * patch_size)
    x = ops.reshape(patches, (-1, rows, columns, patch_size, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, rows, patch, columns, patch, channels)
    return ops.reshape(x, (-1, height, width, channels))
