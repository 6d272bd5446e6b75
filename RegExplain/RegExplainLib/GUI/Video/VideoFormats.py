"""How the frames become a file. It takes a while, and runs in a thread: no Qt and no MRML but in `writerFor`."""

import subprocess
from itertools import pairwise

import numpy as np
from slicer.i18n import tr as _

from regexplain.errors import RegExplainError

POLL_S = 0.1
SAMPLES = 500_000  # pixels that the colours of a GIF are found from
HIDDEN = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}  # on Windows, or a console opens


def writerFor(path):
    """`write(store, path)` for a file of that name. Raises RegExplainError where there is none, before any work."""
    suffix = path.suffix.lower()
    if suffix == ".gif":
        return writeGif
    if suffix == ".mp4":
        return mp4Writer()
    raise RegExplainError(
        _("{name} has another end; let it end in .gif for an animated picture, or in .mp4 for a video.").format(
            name=path.name
        )
    )


def writeGif(store, path):
    """With Pillow, which Slicer brings. It plays for ever."""
    from PIL import Image

    palette = paletteOf(store)
    frames = (Image.frombytes("RGB", store.size, data) for data in store.frames())
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in frames)
    options = {"append_images": others, "duration": durationsMs(store), "loop": 0}
    first.save(path, format="GIF", save_all=True, **options)


def paletteOf(store):
    """The one palette for all pictures, so that nothing flickers: of colours as far apart as they come.

    The usual palettes of the commonest colours are all grey, as scans are, and thin outlines would be too.
    """
    from PIL import Image

    columns, rows = store.size
    step = max(1, store.count * columns * rows // SAMPLES)
    sample = np.concatenate([np.frombuffer(data, np.uint8).reshape(-1, 3)[::step] for data in store.frames()])
    return Image.fromarray(sample[np.newaxis]).quantize(256, Image.Quantize.MAXCOVERAGE)


def durationsMs(store):
    """Of each picture. A GIF counts hundredths of a second, and the sum must not drift."""
    ends = [10 * round(100 * number / store.framesPerSecond) for number in range(store.count + 1)]
    return [end - start for start, end in pairwise(ends)]


def mp4Writer():
    """With the ffmpeg of Slicer's module Screen Capture, and its best options for H.264."""
    try:
        from ScreenCapture import ScreenCaptureLogic
    except ImportError:  # the user turned the module off
        raise RegExplainError(noFfmpeg()) from None
    logic = ScreenCaptureLogic()
    if not (logic.isFfmpegPathValid() or logic.findFfmpeg()):
        raise RegExplainError(noFfmpeg())
    ffmpeg, presets = logic.getFfmpegPath(), [preset["extraVideoOptions"] for preset in logic.videoFormatPresets]
    options = [preset for preset in presets if "libx264" in preset][-1].split()
    return lambda store, path: writeMp4(store, path, ffmpeg, options)


def writeMp4(store, path, ffmpeg, options):
    columns, rows = store.size
    read = ["-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{columns}x{rows}"]
    command = [ffmpeg, "-loglevel", "error", "-y", *read, "-framerate", f"{store.framesPerSecond:g}", "-i", "-"]
    pipes = {"stdin": store.rewoundFile(), "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    try:
        process = subprocess.Popen([*command, *options, str(path)], **pipes, **HIDDEN)
    except OSError as error:
        raise RegExplainError(ffmpegFailed(error.strerror)) from error
    messages = outputOf(process, store)
    store.check()
    if process.returncode:
        raise RegExplainError(ffmpegFailed(messages[-1] if messages else process.returncode))


def outputOf(process, store):
    """The lines that it wrote until its end, which comes at once where the store is stopped."""
    while True:
        try:
            _nothing, errors = process.communicate(timeout=POLL_S)
            return errors.decode("utf-8", "replace").splitlines()
        except subprocess.TimeoutExpired:
            if store.stopped:
                process.kill()


def noFfmpeg():
    return _(
        "MP4 videos need the program ffmpeg, which Slicer has not found; set it up once in the module Screen Capture "
        "(section Advanced), or save an animated GIF."
    )


def ffmpegFailed(reason):
    return _(
        "ffmpeg made no video ({reason}); free disk space, set another ffmpeg in the module Screen Capture (section "
        "Advanced), or save an animated GIF."
    ).format(reason=reason)
