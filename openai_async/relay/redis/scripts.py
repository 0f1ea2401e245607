"""What Redis does in one step: the scripts that keep a stream's log whole.

Arguments and replies are each script's own; `Script` names it by its digest. All take the keys of a stream's log, its
lease, and its record, which share a hash tag and so a slot of a cluster.

A log's entries have the ids `epoch-seq`, where `seq` is that of the entry's last frame, counted from 1: so Redis itself
takes no entry of an older epoch, and whoever reads can tell that something is missing. The lease's value is
`epoch:token` of the one who may append. The record, a hash, is what outlives the log: `e` is the last epoch, `o` the owner
(absent: anybody), `x` that the stream has ended.
"""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["ANNOUNCE", "APPEND", "LAST", "LOOK", "OPEN", "SCRIPTS", "STOP", "Script"]

LAST: Final = (1 << 53) - 1
"""The `seq` of an end whose place is not known, as the log was lost: the largest number that Lua counts exactly."""


class Script:
    """A Lua script.

    Attributes:
        source: What Redis runs.
        digest: Its name for EVALSHA.
    """

    def __init__(self, source: str) -> None:
        self.source: Final = source
        self.digest: Final = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


# What all of them begin with: `at` and `seq` of the log's last entry (0: there is none), `ended` and `opener` if it is
# an end or an opening. A log whose entries were all trimmed still knows its last id.
_TAIL = """
local log, lease, record = KEYS[1], KEYS[2], KEYS[3]
local at, seq, ended, reason, opener = 0, 0, nil, '', nil
local tail = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local id = tail and tail[1]
if not tail and redis.call('EXISTS', log) == 1 then
  local info = redis.call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do if info[i] == 'last-generated-id' then id = info[i + 1] end end
end
if id then
  local e, s = string.match(id, '^(%d+)-(%d+)$')
  at, seq = tonumber(e), tonumber(s)
end
if tail then
  for i = 1, #tail[2], 2 do
    if tail[2][i] == 'e' then ended = tail[2][i + 1] end
    if tail[2][i] == 'r' then reason = tail[2][i + 1] end
    if tail[2][i] == 'o' then opener = tail[2][i + 1] end
  end
end
local function text(number) return string.format('%.0f', number) end
local function entry(e, s) return text(e) .. '-' .. text(s) end
local function write(epoch, owner)
  redis.call('HSET', record, 'e', text(epoch))
  if string.sub(owner, 1, 1) == '+' then redis.call('HSET', record, 'o', string.sub(owner, 2)) end
end
local function finish(e, s, status, reason, retain, remembered)
  redis.call('XADD', log, entry(e, s), 'e', status, 'r', reason)
  redis.call('DEL', lease)
  redis.call('PEXPIRE', log, retain)
  redis.call('HSET', record, 'e', text(e), 'x', status)
  redis.call('PEXPIRE', record, remembered)
end
"""

OPEN: Final = Script(
    _TAIL
    + """
-- token, lease ms, ttl ms, +owner or '' -> ok EPOCH OWNER | held MS | ended STATUS REASON | expired
local token = ARGV[1]
local holder = redis.call('GET', lease)
local mine = holder and string.sub(holder, -#token - 1) == ':' .. token
if holder and not mine then return {'held', redis.call('PTTL', lease)} end
if ended then return {'ended', ended, reason} end
if not id and redis.call('HEXISTS', record, 'x') == 1 then return {'expired'} end
if not (mine and opener == token) then
  local now = redis.call('TIME')
  local known = tonumber(redis.call('HGET', record, 'e') or '0')
  at = math.max(at + 1, known + 1, now[1] * 1000 + math.floor(now[2] / 1000))
  redis.call('XADD', log, entry(at, 0), 'o', token)
end
if redis.call('EXISTS', record) == 0 then write(at, ARGV[4]) end
redis.call('HSET', record, 'e', text(at))
redis.call('SET', lease, text(at) .. ':' .. token, 'PX', ARGV[2])
redis.call('PEXPIRE', log, ARGV[3])
redis.call('PEXPIRE', record, ARGV[3])
local name = redis.call('HGET', record, 'o')
return {'ok', at, name and '+' .. name or ''}
"""
)
"""Take the lease and begin the next epoch. The same token again gets the same epoch: an answer may have been lost.

Epochs are the milliseconds since 1970, or one more than the last: so they grow even where Redis has lost the last one.
"""

ANNOUNCE: Final = Script(
    _TAIL
    + """
-- wait ms, +owner or '' -> ok | known
if id or redis.call('EXISTS', record) == 1 then return {'known'} end
write(0, ARGV[2])
redis.call('PEXPIRE', record, ARGV[1])
return {'ok'}
"""
)
"""Write the record of a stream that somebody will open: until that expires, it counts as held."""

APPEND: Final = Script(
    _TAIL
    + """
-- token, epoch, first, last, lease ms, ttl ms, retain ms, remembered ms, +owner or '', status, reason, fields...
-- -> ok | tail SEQ | fenced | ended STATUS REASON
local epoch, first, last = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local mine = ARGV[2] .. ':' .. ARGV[1]
local holder = redis.call('GET', lease)
if at > epoch or (holder and holder ~= mine) then return {'fenced'} end
if ended then return {'ended', ended, reason} end
if redis.call('EXISTS', record) == 0 then write(epoch, ARGV[9]) end
redis.call('PEXPIRE', record, ARGV[6])
redis.call('SET', lease, mine, 'PX', ARGV[5])
if at < epoch then seq = 0 end
if seq ~= first - 1 then return {'tail', seq} end
if first <= last then redis.call('XADD', log, entry(epoch, last), unpack(ARGV, 12)) end
redis.call('PEXPIRE', log, ARGV[6])
if ARGV[10] == 'lost' then
  redis.call('DEL', lease)
elseif ARGV[10] ~= '' then
  finish(epoch, last + 1, ARGV[10], ARGV[11], ARGV[7], ARGV[8])
end
return {'ok'}
"""
)
"""Append frames `first` to `last` if the log ends before them, and an end if there is a status; renew the lease.

Without frames (`last` is `first - 1`) it is the beat. `tail` says where the log really ends: an append whose answer was
lost has been made, or Redis has lost a part. A lease that ran out and that nobody took is taken again; a record that was
lost is written again before anything can be read without it, as it says who may read. The status `lost` is no end: it
gives the lease back, so that another may go on.
"""

STOP: Final = Script(
    _TAIL
    + """
-- retain ms, remembered ms, status, reason -> ok | ended STATUS REASON | expired | none
if ended then return {'ended', ended, reason} end
local known = tonumber(redis.call('HGET', record, 'e') or '-1')
if not id and redis.call('HEXISTS', record, 'x') == 1 then return {'expired'} end
if not id and known < 0 then return {'none'} end
if id then seq = seq + 1 else at, seq = known, __LAST__ end
finish(at, seq, ARGV[3], ARGV[4], ARGV[1], ARGV[2])
return {'ok'}
""".replace("__LAST__", str(LAST))
)
"""End a stream, whoever holds it: the end and the lease's removal are one step, and the holder's next append fails."""

LOOK: Final = Script(
    _TAIL
    + """
-- -> AT, SEQ, STATUS, REASON, lease ms, record ms, whether it has ended, +owner or ''
local known = redis.call('HMGET', record, 'e', 'o', 'x')
local owner = known[2] and '+' .. known[2] or ''
local held, left = redis.call('PTTL', lease), redis.call('PTTL', record)
if known[1] == '0' and not id then held = left end
return {at, seq, ended or '', reason, held, known[1] and left or -2, known[3] and 1 or 0, owner}
"""
)
"""Where a log ends, whether somebody holds it, and whose it is."""

SCRIPTS: Final = (ANNOUNCE, OPEN, APPEND, STOP, LOOK)
