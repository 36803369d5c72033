"""Words to ids and back."""

from collections.abc import Iterable, Sequence

PAD = "<pad>"


class Vocabulary:
    """A fixed list of words; the id of a word is its place in the list, and padding has id 0.

    Raises:
        ValueError: a word occurs twice, or the padding word is among them.

    Example:
        >>> vocabulary = Vocabulary(["the", "apple"])
        >>> vocabulary.encode("the apple")
        [1, 2]
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words: tuple[str, ...] = (PAD, *words)
        self._ids = {word: index for index, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError("a vocabulary holds each word once, and adds the padding word itself")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def pad_id(self) -> int:
        """The id of the padding word: 0."""
        return 0

    def encode(self, text: str) -> list[int]:
        """Return the ids of the words of `text`, which are separated by spaces.

        Raises:
            ValueError: a word is not in the vocabulary.
        """
        unknown = [word for word in text.split() if word not in self._ids]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not one of the {len(self)} words of this vocabulary")
        return [self._ids[word] for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words of `ids`, separated by spaces, without padding."""
        return " ".join(self.words[index] for index in ids if index != self.pad_id)
