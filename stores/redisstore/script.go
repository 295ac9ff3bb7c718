package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// The scripts below touch keys of one hash slot only, and all of them are declared. They tell the time of the server in
// microseconds, which a Lua number holds exactly until the year 2255.

// getScript: KEYS[1] row. Returns the row and the time.
var getScript = newScript(`
local t = redis.call('TIME')
return {redis.call('GET', KEYS[1]), t[1] * 1000000 + t[2]}
`)

// What putScript says.
const (
	written int64 = iota
	missing
	exists
	conflict
	foreign
)

// putScript: KEYS[1] row, KEYS[2] due index, KEYS[3] subject index or none. ARGV[1] the latest time the caller has seen, see
// Store.told; ARGV[2] expected version, empty to create; ARGV[3] the new row; ARGV[4] the handle's sum. Returns what it did,
// and the time. The positions are those of a row's head. Index entries are left alone when they are right already, and
// live long enough because the row will not live longer than before.
var putScript = newScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local seen = tonumber(ARGV[1])
if now < seen and seen - now < 60000000 then now = seen end
local head = redis.call('GETRANGE', KEYS[1], 0, 55)
if head ~= '' and string.byte(head) ~= 1 then return {4, now} end
if ARGV[2] ~= '' then
  if head == '' then return {1, now} end
  if string.sub(head, 2, 17) ~= ARGV[2] then return {3, now} end
elseif head ~= '' and string.sub(head, 18, 18) ~= 'E' then
  local expires = tonumber(string.sub(head, 19, 34))
  if not expires or expires > now then return {2, now} end
end
local due = tonumber(string.sub(ARGV[3], 19, 34))
local life = 315360000000
if due then life = math.ceil((math.max(due, now) - now) / 1000) + 2592000000 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', string.format('%.0f', life))
if due and due > now and string.sub(head, 18, 56) == string.sub(ARGV[3], 18, 56) then return {0, now} end
local function entry(key, score)
  redis.call('ZADD', key, score, ARGV[4])
  if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, string.format('%.0f', life)) end
end
if due then entry(KEYS[2], string.sub(ARGV[3], 19, 34)) else redis.call('ZREM', KEYS[2], ARGV[4]) end
if KEYS[3] then
  if string.sub(ARGV[3], 18, 18) == 'L' then entry(KEYS[3], 0) else redis.call('ZREM', KEYS[3], ARGV[4]) end
end
return {0, now}
`)

// deleteScript: KEYS[1] row, KEYS[2] due index, KEYS[3] subject index or none. ARGV[1] version, or empty for any; ARGV[2] the
// handle's sum. Returns whether it removed the row.
var deleteScript = newScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if head == '' or ARGV[1] ~= '' and head ~= '\1' .. ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[2]) end
return 1
`)

// dropScript: KEYS[1] row, KEYS[2] an index. ARGV[1] the version that shows the entry to be wrong, or empty if there was no
// row; ARGV[2] the handle's sum. Drops the entry if that is still so.
var dropScript = newScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if head == '' or ARGV[1] ~= '' and head == '\1' .. ARGV[1] then return redis.call('ZREM', KEYS[2], ARGV[2]) end
return 0
`)

// script is a redis.Script that knows its source.
type script struct {
	*redis.Script
	source string
}

func newScript(source string) script { return script{redis.NewScript(source), source} }

// run runs a script that may run twice.
func (s *Store) run(ctx context.Context, what script, keys []string, args ...any) (any, error) {
	return what.Run(ctx, s.client, keys, args...).Result()
}

// once is a command that the client must not send again when the answer is lost: the second time a Put would meet the
// row that it wrote itself, and tell the caller that it was refused.
type once struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

// runOnce runs a script that must not run twice.
func (s *Store) runOnce(ctx context.Context, what script, keys []string, args ...any) (any, error) {
	send := func(name, body string) (any, error) {
		all := make([]any, 0, 3+len(keys)+len(args))
		all = append(all, name, body, len(keys))
		for _, key := range keys {
			all = append(all, key)
		}
		cmd := once{redis.NewCmd(ctx, append(all, args...)...)}
		cmd.SetFirstKeyPos(3)
		_ = s.client.Process(ctx, cmd) // the command keeps the error
		return cmd.Result()
	}
	v, err := send("evalsha", what.Hash())
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return send("eval", what.source)
	}
	return v, err
}

// timed returns what a script that tells the time said, and the time.
func (s *Store) timed(v any, err error) (said any, now time.Time, _ error) {
	if err != nil {
		return nil, time.Time{}, err
	}
	if pair, _ := v.([]any); len(pair) == 2 {
		if micro, ok := pair[1].(int64); ok {
			return pair[0], s.told(micro), nil
		}
	}
	return nil, time.Time{}, errors.New("unexpected answer of a script")
}

// told returns the time that the server told, but not one earlier than before: if its clock was put back by less than a
// minute, time stands still until it has caught up. putScript judges by the same rule.
func (s *Store) told(micro int64) time.Time {
	for {
		seen := s.seen.Load()
		if micro <= seen && seen-micro < int64(time.Minute/time.Microsecond) {
			return time.UnixMicro(seen).UTC()
		}
		if s.seen.CompareAndSwap(seen, micro) {
			return time.UnixMicro(micro).UTC()
		}
	}
}

// failure tells what failed and, if ctx has ended, why: the client's own error may not.
func failure(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("redisstore: %s: %w: %w", op, cause, err)
	}
	return fmt.Errorf("redisstore: %s: %w", op, err)
}
