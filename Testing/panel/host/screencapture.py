"""Slicer's module Screen Capture, as far as RegExplain asks. Tests say where its ffmpeg is."""

import os

PRESETS = (
    ("H.264", "mp4", "-codec libx264 -preset slower -pix_fmt yuv420p"),
    ("H.264 (high-quality)", "mp4", "-codec libx264 -preset slower -crf 18 -pix_fmt yuv420p"),
    ("MPEG-4", "mp4", "-codec mpeg4 -qscale 5"),
    ("Animated GIF", "gif", "-filter_complex palettegen,[v]paletteuse"),
)


class ScreenCaptureLogic:
    chosen = ""  # in Slicer's settings
    found = ""  # by the search of common places

    def __init__(self):
        names = ("name", "fileExtension", "extraVideoOptions")
        self.videoFormatPresets = [dict(zip(names, preset, strict=True)) for preset in PRESETS]

    def getFfmpegPath(self):
        return type(self).chosen

    def isFfmpegPathValid(self):
        return os.path.isfile(self.getFfmpegPath())

    def findFfmpeg(self):
        type(self).chosen = type(self).found or type(self).chosen
        return bool(type(self).found)
