from .clouds import clouds_of as clouds_of
from .proposals import Proposals as Proposals
from .proposers import Propose as Propose
from .proposers import load_proposer as load_proposer
from .recipe import STAGE_VERSION as STAGE_VERSION
from .recipe import ProposeExecution as ProposeExecution
from .recipe import ProposeRecipe as ProposeRecipe
