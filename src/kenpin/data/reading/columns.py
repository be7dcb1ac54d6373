"""The meaning of a table's columns by their names, for CSV files, tables of numbers and Hugging Face tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from kenpin.errors import DatasetError

# each in its order of preference: English, Japanese, Chinese (simplified, traditional), Korean, German
_NAMES = {
    "image": (
        "image path file file_name picture image_path image_file image_name img img_path img_name file_path photo "
        "画像 画像ファイル 画像ファイル名 画像名 画像パス ファイル ファイル名 ファイルパス パス イメージ 写真 "
        "图片 图像 图片路径 图像路径 图片名 图片名称 图像名称 图片文件 文件 文件名 文件路径 路径 照片 "
        "圖片 圖像 圖片路徑 影像 檔案 檔名 檔案名稱 路徑 "
        "이미지 이미지명 이미지파일 이미지경로 파일 파일명 파일이름 파일경로 경로 사진 "
        "bild bilddatei datei dateiname"
    ),
    "label": (
        "label class category label_name class_name category_name verdict judgement judgment "
        "判定 判定結果 合否 合否判定 良否 ラベル クラス 分類 種別 欠陥名 欠陥種別 欠陥種類 不良名 不良内容 不良項目 "
        "标签 类别 类型 标注 判定结果 检测结果 缺陷类型 缺陷类别 缺陷名称 分类 "
        "標籤 類別 類型 標註 檢測結果 缺陷類型 缺陷類別 分類 "
        "라벨 레이블 클래스 판정 판정결과 분류 불량명 불량유형 결함유형 "
        "klasse"
    ),
    "group": (
        "group lot part serial lot_no lot_id lot_number batch batch_no batch_id serial_no serial_number "
        "ロット ロット番号 ロットno 製造ロット シリアル シリアル番号 シリアルno 製造番号 ワーク番号 "
        "批次 批次号 批号 序列号 工件 工件号 批次號 批號 序列號 로트 로트번호 배치 시리얼 시리얼번호 일련번호 "
        "los charge seriennummer"
    ),
    "split": "split subset 分割 データ分割 划分 数据划分 数据集划分 數據集劃分 분할 데이터분할",
    "id": "id no 番号 連番 管理番号 識別番号 编号 序号 編號 序號 번호 식별번호",
}
_SEPARATORS = re.compile(r"[\s_.\-]+")


def key_of(name: str) -> str:
    """What two names of a column have in common that mean the same: `File Name`, `file_name` and `ＦＩＬＥＮＡＭＥ`."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", name).casefold())


_KEYS = {role: tuple(dict.fromkeys(map(key_of, names.split()))) for role, names in _NAMES.items()}


def column_of(role: str, columns: Sequence[str]) -> str | None:
    """The column that plays a role (image, label, group, split, id): the first of the role's names that occurs."""
    by_key = {key_of(column): column for column in reversed(columns)}
    return next((by_key[key] for key in _KEYS[role] if key in by_key), None)


def has_pictures(schema: pa.Schema) -> bool:
    """Whether a table has a column of pictures: by its name, or by its form, bytes with a path."""
    is_picture = (
        pa.types.is_struct(kind) and {"bytes", "path"} <= {part.name for part in kind} for kind in schema.types
    )
    return column_of("image", schema.names) is not None or any(is_picture)


def attribute_columns(
    attributes: Iterable[Mapping[str, str]], own: Sequence[str], reserved: Iterable[str] = ()
) -> list[str]:
    """Names of all attributes in their first order, to be written behind a format's own columns.

    reserved: names that the format's reader takes, written or not. Raises DatasetError where an attribute would be read
    as a column of another meaning.
    """
    columns = list(dict.fromkeys(name for row in attributes for name in row))
    taken = {key_of(name) for name in (*own, *reserved)}
    # a role goes to the first of its names, so that an attribute of a later one does no harm
    roles = {column_of(role, [*own, *columns]) for role in ("image", "label", "group", "split")} - set(own)
    for name in columns:
        if name in roles or key_of(name) in taken:
            raise DatasetError(f"attribute {name!r} would read as a column of another meaning. Rename the attribute.")
    return columns
