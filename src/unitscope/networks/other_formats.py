"""Say what a file or folder is that holds a network in a format of another framework, and what to do with it.

In: a reference that no origin loads. Out: a phrase for a message.
"""

from pathlib import Path

_GIVE = "convert it to a PyTorch module, and give FILE.py:FUNCTION, where the function returns that module"
_ONNX = (
    "convert it to ONNX, that to a PyTorch module with onnx2torch, and give FILE.py:FUNCTION, which returns the module"
)
_PICKLE = "a pickle, which can run code and is not read; save the state dict, and give FILE.py:FUNCTION --weights FILE"
_TENSORRT = "a TensorRT engine, which runs on one kind of GPU only"
_SOURCE = "give the module it was made from, as FILE.py:FUNCTION"
_TENSORFLOW = f"{_ONNX} (tf2onnx does the first step); a network of keras.applications is keras:NAME --weights FILE"

_BY_SUFFIX = {
    ".onnx": "an ONNX file, which is not read; convert it to a PyTorch module, for example with onnx2torch, and give "
    "FILE.py:FUNCTION, where the function returns that module",
    ".pb": f"a TensorFlow graph, which is not read; {_TENSORFLOW}",
    ".pbtxt": f"a TensorFlow graph, which is not read; {_TENSORFLOW}",
    ".tflite": f"a TensorFlow Lite file, which is not read; {_SOURCE}",
    ".lite": f"a TensorFlow Lite file, which is not read; {_SOURCE}",
    ".engine": f"{_TENSORRT}; {_SOURCE}",
    ".plan": f"{_TENSORRT}; {_SOURCE}",
    ".trt": f"{_TENSORRT}; {_SOURCE}",
    ".mlmodel": f"a Core ML file, which is not read; {_SOURCE}",
    ".mlpackage": f"a Core ML package, which is not read; {_SOURCE}",
    ".gguf": "a GGUF file of a language model; unitscope analyses image classifiers",
    ".ggml": "a GGML file of a language model; unitscope analyses image classifiers",
    ".pt2": f"a program exported by torch.export; {_SOURCE}",
    ".ptl": f"a file for PyTorch Mobile, which is not read; {_SOURCE}",
    ".pte": f"a file for ExecuTorch, which is not read; {_SOURCE}",
    ".xml": f"an OpenVINO file, which is not read; {_SOURCE}",
    ".caffemodel": f"a Caffe file, which is not read; {_GIVE}",
    ".prototxt": f"a Caffe file, which is not read; {_GIVE}",
    ".params": f"an MXNet file, which is not read; {_ONNX}",
    ".pdmodel": f"a PaddlePaddle file, which is not read; {_ONNX}",
    ".pdparams": f"a PaddlePaddle file, which is not read; {_ONNX}",
    ".weights": f"a Darknet file, which is not read; {_GIVE}",
    ".msgpack": f"a Flax file, which is not read; {_GIVE}",
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".joblib": _PICKLE,
    ".ipynb": "a notebook; copy the function that builds the network to a file, and give FILE.py:FUNCTION",
}  # fmt: skip
_BY_CONTENT = {
    "saved_model.pb": f"a TensorFlow SavedModel, which is not read; {_TENSORFLOW}",
    "config.json": "a folder of Hugging Face; give FILE.py:FUNCTION, where the function returns its model from "
    "from_pretrained(FOLDER)",
}
_FOLDER = "a folder, not a network; give FILE.py:FUNCTION or a network card"


def what_it_is(reference: str) -> str:
    """Return what a reference names and what to do; empty if it is neither in a known format nor a folder.

    Examples:
        >>> what_it_is("model.pt2")
        'a program exported by torch.export; give the module it was made from, as FILE.py:FUNCTION'
    """
    path = Path(reference)
    if known := _BY_SUFFIX.get(path.suffix.lower(), ""):
        return known
    if not path.is_dir():
        return ""
    return next((what for name, what in _BY_CONTENT.items() if (path / name).exists()), _FOLDER)
