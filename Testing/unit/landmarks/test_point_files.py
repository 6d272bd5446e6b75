"""Lists of points of other programs: the same places, whatever wrote them."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from landmark_files import write_markups
from regexplain.errors import BadInputError
from regexplain.landmarks.point_files import read_points
from regexplain.volumes.geometry import Grid
from synthetic_result import make_grid, rotation

IMAGE = make_grid((30, 24, 12), (0.9, 1.1, 2.5), rotation(20, 0) @ rotation(-15, 2), (12.0, -20.0, 31.0))
LPS = np.array([[-1.5, 2.0, 3.0], [10.0, -20.0, 30.25]])
# As 3D Slicer 5.13 wrote them, but for the versions' names; the very points above.
SLICER = {
    "lps.fcsv": "# Markups fiducial file version = 5.10\n# CoordinateSystem = LPS\n"
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
    '1,-1.5,2,3,0,0,0,1,1,1,0,"tip, left",,,2,0\n2,10,-20,30.25,0,0,0,1,1,1,0,base,,,2,0\n',
    "ras.fcsv": "# Markups fiducial file version = 4.11\n# CoordinateSystem = RAS\n"
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
    '1,1.5,-2,3,0,0,0,1,1,1,0,"tip, left",,,2,0\n2,-10,20,30.25,0,0,0,1,1,1,0,base,,,2,0\n',
    "old.fcsv": "# Markups fiducial file version = 4.6\n# CoordinateSystem = 0\n"
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
    'vtkMRMLMarkupsFiducialNode_0,1.5,-2,3,0,0,0,1,1,1,0,"tip, left",,\n_1,-10,20,30.25,0,0,0,1,1,1,0,base,,\n',
    "lps.csv": '"label","l","p","s","defined","selected","visible","locked","description"\n'
    '"tip, left",-1.5,2,3,1,1,1,0,""\n"not yet",0,0,0,0,1,1,0,""\n"base",10,-20,30.25,1,1,1,0,""\n',
    "ras.csv": '"label","r","a","s","defined","selected","visible","locked","description"\n'
    '"tip, left",1.5,-2,3,1,1,1,0,""\n"base",-10,20,30.25,1,1,1,0,""\n',
    "lps.tsv": "label\tl\tp\ts\tdefined\ntip, left\t-1.5\t2\t3\t1\nbase\t10\t-20\t30.25\t1\n",
    "office.csv": "label;R;A;S\ntip, left;1,5;-2;3\nbase;-10;20;30,25\n",
    "named.csv": "# CoordinateSystem = RAS\nx,y,z,label\n1.5,-2,3,'tip'\n-10,20,30.25,base\n",
    "ants.csv": "x,y,z,t,label\n-1.5,2,3,0,1\n10,-20,30.25,0,2\n",
    "world.txt": "point\n2\n-1.5 2 3\n10 -20 30.25\n",
    "world.pts": "point\n2\n-1.5 2 3\n10 -20 30.25\n",
    "mesh.vtk": "# vtk DataFile Version 2.0\npoints\nASCII\nDATASET POLYDATA\nPOINTS 2 float\n-1.5 2 3 10 -20 30.25\n",
}


def read(folder, name: str, text: str):
    (folder / name).write_text(text, encoding="utf-8")
    return read_points(folder / name, IMAGE)


@pytest.mark.parametrize("name", SLICER)
def test_a_file_says_in_which_coordinates_its_points_are(tmp_path, name):
    assert np.allclose(read(tmp_path, name, SLICER[name]).positions, LPS, atol=1e-12)


@pytest.mark.parametrize("name", ["lps.fcsv", "old.fcsv", "lps.csv", "lps.tsv", "office.csv"])
def test_labels_are_kept_with_their_commas(tmp_path, name):
    assert read(tmp_path, name, SLICER[name]).labels == ("tip, left", "base")


@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_markups_of_slicer_are_read_in_their_own_coordinates(tmp_path, system):
    found = read_points(write_markups(tmp_path / "a.mrk.json", LPS, ["tip, left", "base"], system), IMAGE)
    assert np.allclose(found.positions, LPS, atol=1e-12) and found.labels == ("tip, left", "base")


def test_a_point_that_was_not_placed_is_none(tmp_path):
    path = write_markups(tmp_path / "a.mrk.json", LPS)
    content = json.loads(path.read_text())
    content["markups"][0]["controlPoints"][0]["positionStatus"] = "undefined"
    path.write_text(json.dumps(content))
    assert read_points(path, IMAGE).labels == ("a-2",)


@pytest.mark.parametrize("head", ["index\n2\n", "2\n"])
def test_indices_of_elastix_count_voxels_of_their_own_image(tmp_path, head):
    found = read(tmp_path, "index.txt", head + "3 4 5\n10 0 2\n")
    expected = [IMAGE.TransformIndexToPhysicalPoint(index) for index in ((3, 4, 5), (10, 0, 2))]
    assert np.allclose(found.positions, expected) and found.labels == ("", "")
    assert np.allclose(found.positions, Grid.of(IMAGE).world(np.array([[3, 4, 5], [10, 0, 2]])))


MARKUPS = '{"markups": [%s]}'
ONE = '{"coordinateSystem": "LPS", "controlPoints": [{"position": [1, 2, 3]}]}'
REFUSED = {
    "nothing.mrk.json": ("{", "is damaged, or no list of landmarks"),
    "other.json": ('{"a": 1}', "is damaged, or no list of landmarks"),
    "flat.mrk.json": (MARKUPS % '{"controlPoints": [{"position": [1, 2]}]}', "is damaged, or no list of landmarks"),
    "two.mrk.json": (MARKUPS % f"{ONE}, {ONE}", "holds 2 lists of markups"),
    "empty.mrk.json": (MARKUPS % '{"controlPoints": []}', "holds no landmarks"),
    "units.mrk.json": (MARKUPS % ONE.replace('"LPS",', '"LPS", "coordinateUnits": "cm",'), "gives its landmarks in cm"),
    "ucum.mrk.json": (MARKUPS % ONE.replace('"LPS",', '"LPS", "coordinateUnits": ["um", "UCUM"],'), "landmarks in um"),
    "ijk.fcsv": (
        "# CoordinateSystem = 2\n1,1,2,3,0,0,0,1,1,1,0,a,,\n",
        "in the coordinates 2; save them in LPS or RAS",
    ),
    "bare.csv": ("label,x,y,z\na,1,2,3\n", "does not say whether its landmarks are in LPS or RAS"),
    "headless.csv": ("1,2,3\n4,5,6\n", "does not say whether its landmarks are in LPS or RAS"),
    "blank.csv": ("", "does not say whether its landmarks are in LPS or RAS"),
    "words.csv": ("label,l,p,s\na,1,two,3\n", "is damaged, or no list of landmarks"),
    "hole.csv": ("label,l,p,s\na,1,nan,3\n", "without three finite coordinates"),
    "short.txt": ("point\n3\n1 2 3\n4 5 6\n", "is damaged, or no list of landmarks"),
    "binary.vtk": ("# vtk DataFile Version 2.0\nx\nBINARY\nPOINTS 1 float\n", "is damaged, or no list of landmarks"),
    "image.nii": ("", "is no list of landmarks that can be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_list_of_points_is_refused_in_a_sentence(tmp_path, name):
    text, sentence = REFUSED[name]
    with pytest.raises(BadInputError) as refused:
        read(tmp_path, name, text)
    assert sentence in str(refused.value) and str(refused.value).startswith(name)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInputError, match="There is no file of landmarks gone.fcsv"):
        read_points(tmp_path / "gone.fcsv", sitk.Image(2, 2, 2, sitk.sitkUInt8))
