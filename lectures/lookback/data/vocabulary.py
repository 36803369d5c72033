"""Words to ids and back."""

from collections.abc import Iterable, Sequence

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"


class Vocabulary:
    """A fixed list of words; the id of a word is its place in the list, and padding has id 0.

    Args:
        words: each word once.
        ends: whether to add the marks of a sequence's beginning and end, with ids 1 and 2.

    Raises:
        ValueError: a word occurs twice, or a mark such as the padding word is among them.

    Example:
        >>> vocabulary = Vocabulary(["the", "apple"])
        >>> vocabulary.encode("the apple")
        [1, 2]
        >>> Vocabulary(["the", "apple"], ends=True).decode([1, 3, 4, 2, 3])
        'the apple'
    """

    def __init__(self, words: Iterable[str], ends: bool = False) -> None:
        self.words: tuple[str, ...] = (PAD, BOS, EOS, *words) if ends else (PAD, *words)
        self._ids = {word: index for index, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError("a vocabulary holds each word once, and adds the padding word and the marks itself")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def pad_id(self) -> int:
        """The id of the padding word: 0."""
        return 0

    @property
    def bos_id(self) -> int:
        """The id of the mark before a sequence: 1.

        Raises:
            ValueError: the vocabulary was made without ends.
        """
        return self._end(BOS)

    @property
    def eos_id(self) -> int:
        """The id of the mark after a sequence: 2.

        Raises:
            ValueError: the vocabulary was made without ends.
        """
        return self._end(EOS)

    def encode(self, text: str) -> list[int]:
        """Return the ids of the words of `text`, which are separated by spaces; no mark is added.

        Raises:
            ValueError: a word is not in the vocabulary.
        """
        unknown = [word for word in text.split() if word not in self._ids]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not one of the {len(self)} words of this vocabulary")
        return [self._ids[word] for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words of `ids` up to the first end mark, separated by spaces, without padding and marks."""
        words = [self.words[index] for index in ids]
        if EOS in words:
            words = words[: words.index(EOS)]
        return " ".join(word for word in words if word not in (PAD, BOS))

    def _end(self, mark: str) -> int:
        if mark not in self._ids:
            raise ValueError(f"this vocabulary has no {mark}; make it with ends=True")
        return self._ids[mark]
