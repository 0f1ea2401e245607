"""The parameters of every method, each spelled and explained once.

What comes in is written by the user as keyword arguments, which is what goes out as a JSON body or a query; `omit` and
`not_given` are left out of it, None is null. Nothing here checks a value: the server does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NotRequired, Required, TypeAlias, TypedDict

from .completion import ChatCompletionMessage
from .messages import ChatCompletionAudioParam, ChatCompletionMessageParam, ChatCompletionPredictionContentParam
from .options import Omit
from .shared import (
    ChatCompletionModality,
    ChatModel,
    FunctionParameters,
    Metadata,
    ReasoningEffort,
    ResponseFormatJSONObject,
    ResponseFormatJSONSchema,
    ResponseFormatText,
    Unlisted,
)
from .tools import (
    ChatCompletionFunctionCallOptionParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolUnionParam,
)

__all__ = [
    "ChatCompletionStreamOptions",
    "ChatCompletionStreamOptionsParam",
    "CompletionCreateParams",
    "CompletionCreateParamsBase",
    "CompletionCreateParamsNonStreaming",
    "CompletionCreateParamsStreaming",
    "CompletionListParams",
    "CompletionParamsCommon",
    "CompletionParseParams",
    "CompletionUpdateParams",
    "DeprecatedFunction",
    "FunctionCallParam",
    "MessageListParams",
    "ModerationParam",
    "ModerationPolicy",
    "ModerationPolicyInput",
    "ModerationPolicyOutput",
    "PromptCacheOptions",
    "ResponseFormat",
    "WebSearchOptions",
    "WebSearchOptionsUserLocation",
    "WebSearchOptionsUserLocationApproximate",
]

FunctionCallParam: TypeAlias = Literal["none", "auto"] | ChatCompletionFunctionCallOptionParam
ResponseFormat: TypeAlias = ResponseFormatText | ResponseFormatJSONSchema | ResponseFormatJSONObject


class DeprecatedFunction(TypedDict):
    """One of the deprecated `functions`."""

    name: str
    description: NotRequired[str]
    parameters: NotRequired[FunctionParameters]


class ModerationPolicyInput(TypedDict):
    """What happens to a prompt that is found harmful: it is scored only, or the request is refused."""

    mode: Literal["score", "block"]


class ModerationPolicyOutput(TypedDict):
    """What happens to an answer that is found harmful: it is scored only, or withheld."""

    mode: Literal["score", "block"]


class ModerationPolicy(TypedDict, total=False):
    """What happens to harmful text; None: nothing set."""

    input: ModerationPolicyInput | None
    output: ModerationPolicyOutput | None


class ModerationParam(TypedDict):
    """Which moderation model looks at prompt and answer, such as "omni-moderation-latest"."""

    model: str
    policy: NotRequired[ModerationPolicy | None]


class PromptCacheOptions(TypedDict, total=False):
    """Where the prompt's cache breakpoints are, and how long its prefixes are kept at least."""

    mode: Literal["implicit", "explicit"]
    """By default "implicit": the server sets one breakpoint itself. "explicit": only those that content parts carry."""
    ttl: Literal["30m"]


class ChatCompletionStreamOptionsParam(TypedDict, total=False):
    """What a stream carries beside the answer."""

    include_obfuscation: bool
    """Whether random padding hides the lengths of tokens from eavesdroppers. Default: True, for a few bytes more."""
    include_usage: bool
    """Whether a last chunk, without choices, tells the tokens used. A stream that breaks off never gets there."""


class WebSearchOptionsUserLocationApproximate(TypedDict, total=False):
    """Where the user is: free text, the country as two letters (ISO 3166-1), the time zone by its IANA name."""

    city: str
    country: str
    region: str
    timezone: str


class WebSearchOptionsUserLocation(TypedDict):
    """Where the user is, more or less."""

    approximate: WebSearchOptionsUserLocationApproximate
    type: Literal["approximate"]


class WebSearchOptions(TypedDict, total=False):
    """How the model searches the web; None: it does not know where the user is."""

    search_context_size: Literal["low", "medium", "high"]
    """How much of the context window search results may take. Default: "medium"."""
    user_location: WebSearchOptionsUserLocation | None


class CompletionParamsCommon(TypedDict, total=False):
    """What all ways to ask for a completion have in common; None: the server's default."""

    messages: Required[Iterable[ChatCompletionMessageParam | ChatCompletionMessage]]
    """The conversation so far, oldest first, at least one message. The model's own may be put in as they came."""

    model: Required[ChatModel | Unlisted]
    """The model's name."""

    audio: ChatCompletionAudioParam | Omit | None
    """Voice and format of a spoken answer; required when `modalities` has "audio"."""

    frequency_penalty: float | Omit | None
    """From -2 to 2, default 0. Above 0, a token loses likelihood with each time it has occurred."""

    function_call: FunctionCallParam | Omit
    """Deprecated: use `tool_choice`. Whether or which of `functions` is called."""

    functions: Iterable[DeprecatedFunction] | Omit
    """Deprecated: use `tools`. From 1 to 128 functions that the model may call."""

    logit_bias: Mapping[str, int] | Omit | None
    """Token id (of the model's tokenizer, as text) to a bias from -100 (never) to 100 (nothing else)."""

    logprobs: bool | Omit | None
    """Whether to return the log probability of each token of the answer. Default: False."""

    max_completion_tokens: int | Omit | None
    """The most tokens that an answer may have, reasoning included. One that is cut short ends with "length"."""

    max_tokens: int | Omit | None
    """Deprecated: use `max_completion_tokens`. Reasoning models refuse it; many other vendors know nothing else."""

    metadata: Metadata | Omit | None
    """Up to 16 labels for a stored completion: keys of at most 64 characters, values of at most 512."""

    modalities: Sequence[ChatCompletionModality] | Omit | None
    """Kinds of answer to give. Default: `["text"]`; models that speak also take `["text", "audio"]`."""

    moderation: ModerationParam | Omit | None
    """Have prompt and answer moderated on the way."""

    n: int | Omit | None
    """How many answers to give, from 1, the default, to 128. The tokens of all are billed."""

    parallel_tool_calls: bool | Omit
    """Whether one message may call several tools. Default: True."""

    prediction: ChatCompletionPredictionContentParam | Omit | None
    """Text that much of the answer will repeat, which then comes faster. Rejected tokens are billed, too."""

    presence_penalty: float | Omit | None
    """From -2 to 2, default 0. Above 0, a token loses likelihood once it has occurred at all."""

    prompt_cache_key: str | Omit | None
    """Requests of one key and one prefix are sent where that prefix is cached."""

    prompt_cache_options: PromptCacheOptions | Omit
    """Where the prompt's cache breakpoints are, and how long its prefixes are kept at least."""

    prompt_cache_retention: Literal["in_memory", "24h"] | Omit | None
    """Deprecated: see `prompt_cache_options`. How long the prompt's prefixes are kept at most."""

    reasoning_effort: ReasoningEffort | Omit
    """How much the model reasons before it answers, which takes time and tokens. Not every model knows each effort."""

    safety_identifier: str | Omit | None
    """A stable name for the end user, at most 64 characters, for the server's abuse detection. Send a hash."""

    seed: int | Omit | None
    """Deprecated. The same seed, a 64-bit integer, and parameters give the same answer, mostly."""

    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | Omit | None
    """How the request is processed and priced. Default: "auto", as the project is set. The response tells the one used."""

    stop: str | Sequence[str] | Omit | None
    """Up to 4 texts at which the answer ends; it does not contain them. Reasoning models refuse it."""

    store: bool | Omit | None
    """Whether the server keeps the completion, to be retrieved and listed. Default: False."""

    stream_options: ChatCompletionStreamOptionsParam | Omit | None
    """What the stream carries beside the answer. Only for streams."""

    temperature: float | Omit | None
    """From 0 (nearly always the likeliest token) to 2 (nearly random), default 1. Change this or `top_p`, not both."""

    tool_choice: ChatCompletionToolChoiceOptionParam | Omit
    """Whether or which tools are called. Default: "auto" with tools, "none" without."""

    top_logprobs: int | Omit | None
    """How many of the likeliest tokens to return at each position, from 0 to 20. Needs `logprobs=True`."""

    top_p: float | Omit | None
    """From 0 to 1, default 1: only the likeliest tokens, with this much probability together, are sampled."""

    user: str | Omit
    """Deprecated: use `safety_identifier` and `prompt_cache_key`. A stable name for the end user."""

    verbosity: Literal["low", "medium", "high"] | Omit | None
    """How long-winded the answer is. Default: "medium"."""

    web_search_options: WebSearchOptions | Omit
    """Let a search model look things up on the web, and how."""


class CompletionParseParams(CompletionParamsCommon, total=False):
    """What `create` takes, but for `stream` and `response_format`."""

    tools: Iterable[ChatCompletionToolUnionParam] | Omit
    """Functions and custom tools that the model may call."""


class CompletionCreateParamsBase(CompletionParseParams, total=False):
    """What `create` takes, but for `stream`."""

    response_format: ResponseFormat | Omit
    """Text, some JSON object, or JSON of a schema. Default: text."""


class CompletionCreateParamsNonStreaming(CompletionCreateParamsBase, total=False):
    """What `create` takes for a plain answer."""

    stream: Literal[False] | Omit | None
    """Whether the answer comes in pieces, as it is written. Default: False."""


class CompletionCreateParamsStreaming(CompletionCreateParamsBase, total=False):
    """What `create` takes for a stream."""

    stream: Required[Literal[True]]
    """The answer comes in pieces, as it is written."""


CompletionCreateParams: TypeAlias = CompletionCreateParamsNonStreaming | CompletionCreateParamsStreaming


class CompletionUpdateParams(TypedDict):
    """What `update` takes."""

    metadata: Metadata | None
    """The stored completion's new labels, in place of all old ones; None: none."""


class MessageListParams(TypedDict, total=False):
    """What `messages.list` takes."""

    after: str | Omit
    """The id of the last item of the page before. Left out: the first page."""

    limit: int | Omit
    """How many items a page has at most. Default: 20."""

    order: Literal["asc", "desc"] | Omit
    """By time: oldest first, the default, or newest first."""


class CompletionListParams(MessageListParams, total=False):
    """What `list` takes."""

    metadata: Metadata | Omit | None
    """Only completions with these labels."""

    model: str | Omit
    """Only completions of this model."""


# The name in the API's reference.
ChatCompletionStreamOptions = ChatCompletionStreamOptionsParam
