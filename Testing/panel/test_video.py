"""The motion on show becomes a GIF or an MP4 that shows what the views show, whole or not at all."""

import os
import threading

import numpy as np
import pytest

from panel.fixtures import PATIENT, corner, isAlive, press, renderers, waitUntil

RED_RGB = 0.95 * 255, 0.15 * 255, 0.15 * 255
PERCENT = range(0, 101, 10)  # of the whole registration, frame by frame


@pytest.fixture(scope="session")
def truth(tmp_path_factory):
    """About the result that the fake worker makes."""
    from panel.fake_worker import TEMPLATES
    from synthetic_result import write_synthetic_result

    return write_synthetic_result(tmp_path_factory.mktemp("truth") / "result", **TEMPLATES["deformable"])


@pytest.fixture
def motion(panel, views, registered, truth):
    """The animation layer of a whole registration, paused at 30 %, in all views, without arrows."""
    from RegExplainLib.GUI.Sections.Motions import Motions

    panel.ui.showArrowsCheckBox.click()
    panel.ui.animateButton.click()
    layer = Motions(registered).layer("registration")
    panel.ui.strengthSlider.value = 30.0
    for name in views.sliceViewNames():
        views.sliceWidget(name).sliceView().offscreen.fit((truth.centre + (0, -4, 0)) * (-1, -1, 1))
    return layer


@pytest.fixture
def axial(motion, views):
    """The same where the layout shows one view only, which is quick."""
    others = [views.sliceWidget(name).sliceView() for name in ("Green", "Yellow")] + [
        views.threeDWidget(0).threeDView()
    ]
    for view in others:
        view.offscreen.viewNode.SetMappedInLayout(False)
    yield motion
    for view in others:
        view.offscreen.viewNode.SetMappedInLayout(True)


@pytest.fixture
def folder(tmp_path):
    """Where it is saved."""
    path = tmp_path / "Österreich mit Leerzeichen"
    path.mkdir()
    return path


@pytest.fixture
def save(panel, monkeypatch, folder):
    """`save("a.gif")` presses the button and gives that name; returns the path. `wait=False`: before it is done."""

    def press_(name, wait=True):
        monkeypatch.setattr(panel.session.messages, "askFile", lambda title, proposed, kinds: str(folder / name))
        if wait:
            press(panel, panel.ui.saveVideoButton)
        else:
            panel.ui.saveVideoButton.click()
        return folder / name

    return press_


@pytest.fixture
def capture(host, monkeypatch):
    """Slicer's module Screen Capture, which finds a real ffmpeg."""
    import sys

    import imageio_ffmpeg

    from panel.host import screencapture

    logic = screencapture.ScreenCaptureLogic
    monkeypatch.setitem(sys.modules, "ScreenCapture", screencapture)
    monkeypatch.setattr(logic, "chosen", "")
    monkeypatch.setattr(logic, "found", imageio_ffmpeg.get_ffmpeg_exe())
    return logic


@pytest.fixture
def temporary(host, motion):
    """What lies in Slicer's temporary folder must be what lay there."""
    import slicer

    before = sorted(os.listdir(slicer.app.temporaryPath))
    yield
    waitUntil(lambda: not writing())
    assert sorted(os.listdir(slicer.app.temporaryPath)) == before


def writing():
    """The threads that write a file."""
    return [thread for thread in threading.enumerate() if type(thread).__name__ == "_Work"]


def soon(panel, stage, done, action):
    """Let the user do something as soon as this much of a stage is done."""
    import qt

    def onProgress(*values):
        if values[:2] == (stage, done):
            qt.QTimer.singleShot(0, action)

    panel.session.runner.progress.connect(onProgress)


def gif(path):
    """(frames, rows, columns, 3) uint8, and how long each is shown, ms."""
    from PIL import Image

    with Image.open(path) as image:
        assert image.info["loop"] == 0, "it plays for ever"
        pictures, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            pictures.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
    return np.array(pictures), durations


def red(picture):
    return np.abs(picture.astype(float) - RED_RGB).max(axis=-1) < 60


# What it shows -------------------------------------------------------------------------------------------------------


def test_each_frame_of_a_gif_has_gold_where_the_motion_puts_it_and_red_where_it_was(axial, save, views, truth):
    from mrml.checks import check_gold_in

    pictures, _durations = gif(save("motion.gif"))
    assert pictures.shape == (len(PERCENT), 500, 500, 3)
    view = views.sliceWidget("Red").sliceView().offscreen
    for number in (5, 8, 10):
        check_gold_in(pictures[number], lambda x, n=number: PERCENT[n] / 100 * truth.displacement(x), view)
    outlines = [red(picture) for picture in pictures[5:]]
    for outline in outlines:
        assert outline.sum() > 300 and (outline & outlines[0]).sum() > 0.8 * outlines[0].sum()


def test_the_views_lie_in_it_as_they_lie_on_the_screen(motion, save, views):
    pictures, _durations = gif(save("motion.gif"))
    motion.setFrame(7)
    shown = {name: views.sliceWidget(name).sliceView() for name in views.sliceViewNames()}
    corners = {"Red": (0, 0), "Green": (558, 0), "Yellow": (558, 508)}  # a bar of 25, a gap of 4, twice as fine
    assert pictures.shape[1:3] == (558 + 500, 508 + 500)
    for name, (row, column) in corners.items():
        there = pictures[7, row : row + 500, column : column + 500].astype(int)
        assert np.abs(there - shown[name].offscreen.render()).mean() < 3, name
    space = pictures[7, :500, 508:].astype(int)
    assert np.abs(space - views.threeDWidget(0).threeDView().offscreen.render()).mean() < 3
    assert pictures[:, 500:558].max() < 10 and pictures[:, :, 500:508].max() < 10, "black lies between"


@pytest.mark.parametrize(("speed", "durations"), [(10.0, {100}), (30.0, {30, 40})])
def test_a_gif_plays_as_fast_as_the_panel(panel, axial, save, speed, durations):
    panel.ui.speedSlider.value = speed
    pictures, found = gif(save("motion.gif"))
    assert len(pictures) == len(PERCENT) and set(found) == durations
    assert abs(sum(found) - 1000 * len(PERCENT) / speed) <= 5, "rounding does not add up"


@pytest.mark.ci
def test_a_video_shows_the_same_at_the_same_speed(panel, motion, save, capture):
    import imageio_ffmpeg

    panel.ui.speedSlider.value = 5.0
    pictures, _durations = gif(save("motion.gif"))
    frames = imageio_ffmpeg.read_frames(str(save("motion.MP4")))
    about = next(frames)
    decoded = [np.frombuffer(frame, np.uint8).reshape(pictures[0].shape).astype(int) for frame in frames]
    assert about["size"] == pictures.shape[2:0:-1] and about["fps"] == 5 and len(decoded) == len(PERCENT)
    assert about["codec"] == "h264" and "yuv420p" in about["pix_fmt"], "every program plays that"
    for number in (0, 5, 10):
        assert np.abs(decoded[number] - pictures[number]).mean() < 4
        others = [np.abs(decoded[number] - picture).mean() for picture in pictures]
        assert min(others) == others[number], "in their order"


def test_views_of_odd_size_make_a_picture_of_even_size(host):
    from RegExplainLib.GUI.Views import composePictures

    ones = np.full((3, 5, 3), 1, np.uint8), np.full((2, 2, 3), 2, np.uint8)
    whole = composePictures([(-10, 7, ones[0]), (-7, 13, ones[1])])
    assert whole[..., 0].tolist() == [
        [1, 1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 2, 2],
        [0, 0, 0, 0, 0, 0, 2, 2],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_no_text_of_the_patient_is_in_it_and_all_of_it_stays_in_the_views(panel, axial, save, views, volumes):
    volumes[0].SetName(PATIENT)
    texts = [(renderer, corner()) for renderer in renderers(views)]
    for renderer, text in texts:
        renderer.AddViewProp(text)
    path = save("motion.gif")
    seen = views.sliceWidget("Red").sliceView().offscreen.render()
    for renderer, text in texts:
        renderer.RemoveViewProp(text)
    assert isMagenta(seen).any() and not isMagenta(gif(path)[0]).any()
    assert PATIENT.encode() not in path.read_bytes() and b"JANE" not in path.read_bytes()


def isMagenta(picture):
    return (picture[..., 0] > 150) & (picture[..., 1] < 90) & (picture[..., 2] > 150)


# What the panel does meanwhile ---------------------------------------------------------------------------------------


def test_only_a_motion_that_is_seen_can_be_saved(panel, views, registered):
    ui = panel.ui
    assert not ui.saveVideoButton.enabled and "Press Play first" in ui.saveVideoButton.toolTip
    ui.animateButton.click()
    assert ui.saveVideoButton.enabled and "GIF" in ui.saveVideoButton.toolTip
    panel.session.result.showSpace("moving")
    for layer in panel.session.result.layers():
        layer.hide()
    panel.session.changed.emit()
    assert not ui.saveVideoButton.enabled


def test_the_file_is_asked_for_without_a_name_of_the_patients(panel, axial, volumes, monkeypatch):
    import qt

    asked = []
    volumes[0].SetName(PATIENT)
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *arguments: asked.append(arguments) or "")
    panel.ui.saveVideoButton.click()
    [(_window, _title, name, kinds)] = asked
    assert name == "RegExplain motion.gif" and kinds == "Videos (*.gif *.mp4)" and not panel.session.job


@pytest.mark.parametrize("playing", [True, False])
def test_the_animation_is_afterwards_as_it_was(panel, axial, save, temporary, playing):
    axial.setPlaying(playing)
    path = save("motion.gif")
    assert axial.strength == 30 and axial.playing is playing
    assert "Saved as motion.gif." in panel.ui.statusLabel.text and os.listdir(path.parent) == [path.name]
    assert panel.ui.saveVideoButton.enabled and panel.ui.saveVideoButton.text == "Save as video…"


def test_the_panel_lives_on_between_two_pictures_and_refuses_other_jobs(panel, axial, save):
    import qt

    turns, pictures = [0], []

    def turn():
        turns[0] += 1
        if panel.session.job:
            qt.QTimer.singleShot(0, turn)

    panel.session.runner.progress.connect(lambda stage, done, total: pictures.append(turns[0]))
    save("motion.gif", wait=False)
    turn()
    assert not panel.ui.explainButton.enabled and "Another computation" in panel.ui.explainButton.toolTip
    panel.session.startJob("explain", lambda scratch: [], None)
    assert "Another computation is running" in panel.ui.statusLabel.text
    assert panel.ui.saveVideoButton.text == "Cancel"
    waitUntil(lambda: not panel.session.job)
    assert len(pictures) == len(PERCENT) + 1 and max(map(pictures.count, pictures)) <= 2


# Where it comes to nothing -------------------------------------------------------------------------------------------


@pytest.fixture
def untouched(panel, axial, temporary, folder):
    """The animation plays; afterwards everything must be as before, and what lay at `motion.gif` too."""
    axial.setPlaying(True)
    (folder / "motion.gif").write_bytes(b"before")
    yield
    waitUntil(lambda: not writing())
    assert os.listdir(folder) == ["motion.gif"] and (folder / "motion.gif").read_bytes() == b"before"
    assert not panel.session.job and panel.ui.registerButton.enabled
    assert axial.strength == 30 and axial.playing and panel.ui.saveVideoButton.enabled


@pytest.fixture
def slowly(monkeypatch):
    """Writing a GIF takes until it is stopped."""
    from RegExplainLib.GUI.Video import VideoFormats

    paletteOf = VideoFormats.paletteOf
    monkeypatch.setattr(VideoFormats, "paletteOf", lambda store: (store._stopped.wait(20), paletteOf(store))[1])


@pytest.mark.parametrize(("stage", "done"), [("Taking pictures", 3), ("Saving", 0)])
def test_cancel_leaves_nothing_behind(panel, save, untouched, slowly, shown, stage, done):
    soon(panel, stage, done, panel.ui.saveVideoButton.click)
    save("motion.gif", wait=False)
    waitUntil(lambda: not panel.session.job)
    assert "Cancelled" in panel.ui.statusLabel.text and shown == []


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for a slow ffmpeg is a shell script")
@pytest.mark.parametrize("quit_", [False, True])
def test_cancelling_and_quitting_end_ffmpeg(module, panel, axial, save, capture, folder, tmp_path, quit_):
    pid = tmp_path / "pid"
    capture.found = script(tmp_path, f"echo $$ > '{pid}'; exec sleep 60")
    save("motion.mp4", wait=False)
    waitUntil(lambda: pid.exists() and pid.read_text().strip())
    module.close() if quit_ else panel.ui.saveVideoButton.click()
    waitUntil(lambda: quit_ or not writing())
    assert not writing() and not isAlive(int(pid.read_text())) and os.listdir(folder) == []


def script(folder, lines):
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


def noSpace(*arguments, **options):
    raise OSError(28, "No space left on device")


FILM, FORMATS = "RegExplainLib.GUI.Video.FrameStore", "RegExplainLib.GUI.Video.VideoFormats"


@pytest.mark.parametrize(
    "function",
    [f"{FILM}.tempfile.TemporaryFile", f"{FILM}.FrameStore.add", f"{FORMATS}.paletteOf", "pathlib.Path.replace"],
)
def test_a_full_disk_is_one_sentence(panel, save, untouched, shown, monkeypatch, function):
    monkeypatch.setattr(function, noSpace)
    save("motion.gif")
    assert len(shown) == 1 and "No space left on device" in shown[0] and "free space" in shown[0]


def test_a_folder_that_is_gone_is_one_sentence(panel, save, untouched, shown):
    save("nowhere/motion.gif")
    assert len(shown) == 1 and "nowhere cannot be written to" in shown[0]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for a broken ffmpeg is a shell script")
@pytest.mark.parametrize(
    ("lines", "reason"), [("echo 'Unknown encoder' >&2; exit 1", "Unknown encoder"), (None, "Permission denied")]
)
def test_what_ffmpeg_says_when_it_fails_is_in_the_sentence(
    panel, save, untouched, capture, shown, tmp_path, lines, reason
):
    capture.found = script(tmp_path, lines or "")
    if lines is None:
        os.chmod(capture.found, 0o644)
    save("motion.mp4")
    [sentence] = shown
    assert f"ffmpeg made no video ({reason})" in sentence and "animated GIF" in sentence


@pytest.mark.parametrize("hasModule", [True, False])
def test_without_ffmpeg_that_is_said_at_once(panel, save, untouched, capture, shown, monkeypatch, hasModule):
    import sys

    capture.found = ""
    if not hasModule:
        monkeypatch.setitem(sys.modules, "ScreenCapture", None)
    stages = []
    panel.session.runner.progress.connect(lambda *values: stages.append(values))
    save("motion.mp4", wait=False)
    assert len(shown) == 1 and "need the program ffmpeg" in shown[0] and stages == []


def test_an_ffmpeg_that_the_user_chose_is_taken(panel, axial, save, capture):
    capture.chosen, capture.found = capture.found, "/nowhere/ffmpeg"
    assert save("motion.mp4").stat().st_size > 1000


@pytest.mark.parametrize("name", ["motion", "motion.avi", "Dr. No"])
def test_another_end_of_the_name_is_refused(panel, save, untouched, shown, name):
    save(name, wait=False)
    assert len(shown) == 1 and f"{name} has another end; let it end in .gif" in shown[0]


def test_without_views_there_is_nothing_to_save_which_is_said(panel, save, untouched, shown, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.app, "layout", None)
    save("motion.gif")
    assert len(shown) == 1 and "Slicer shows no view here" in shown[0]


def changes(panel, layer, views):
    """What a user may do meanwhile that ruins the pictures."""

    def resize():
        views.threeDWidget(0).threeDView().offscreen.viewNode.SetMappedInLayout(True)

    return {
        "hidden": layer.hide,
        "removed": layer.remove,
        "larger": lambda: layer.setAmplitude(2),
        "resized": resize,
        "node deleted": lambda: layer.scene.RemoveNode(layer.browser),
        "record deleted": lambda: layer.scene.RemoveNode(layer.resultNodes.node("record")),
    }


@pytest.mark.parametrize("change", ["hidden", "removed", "larger", "resized", "node deleted"])
def test_where_the_motion_or_the_views_change_meanwhile_nothing_is_saved(
    panel, axial, views, save, folder, temporary, shown, change
):
    soon(panel, "Taking pictures", 3, changes(panel, axial, views)[change])
    save("motion.gif")
    assert len(shown) == 1 and "changed while their pictures were taken" in shown[0] and os.listdir(folder) == []
    assert panel.ui.registerButton.enabled


@pytest.mark.parametrize(("stage", "done"), [("Taking pictures", 3), ("Saving", 0)])
def test_closing_the_scene_meanwhile_ends_it(panel, axial, save, folder, temporary, slowly, shown, stage, done):
    import slicer

    soon(panel, stage, done, lambda: slicer.mrmlScene.Clear(False))
    save("motion.gif", wait=False)
    waitUntil(lambda: not panel.session.job)
    waitUntil(lambda: not writing())
    assert shown == [] and os.listdir(folder) == []
    assert not panel.ui.saveVideoButton.enabled and panel.session.result is None


def test_what_is_deleted_once_the_pictures_are_taken_is_not_needed(panel, axial, views, save, shown):
    soon(panel, "Saving", 0, changes(panel, axial, views)["record deleted"])
    assert len(gif(save("motion.gif"))[0]) == len(PERCENT) and shown == []
