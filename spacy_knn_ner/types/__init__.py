"""The types that cross rooms: texts, keys, batches, neighbors, votes, corrections."""

from .batch import TokenBatch as TokenBatch
from .batch import TokenKeys as TokenKeys
from .corrections import CorrectedSpan as CorrectedSpan
from .corrections import Corrections as Corrections
from .corrections import CorrectionVotes as CorrectionVotes
from .corrections import Matches as Matches
from .texts import AFTER as AFTER
from .texts import BEFORE as BEFORE
from .texts import RETRIEVED as RETRIEVED
from .texts import AnnotatedText as AnnotatedText
from .texts import Context as Context
from .texts import StoredExample as StoredExample
from .texts import check_unicode as check_unicode
from .texts import valid_unicode as valid_unicode
from .votes import Neighbors as Neighbors
from .votes import Votes as Votes
