package client

import (
	"context"

	"github.com/privhelper/privhelper/privsep/stats"
)

// Stats asks the helper what it does and has done since it began to serve. It answers at once, whatever else it does: a call
// whose slots are all taken waits, and this one does not. A helper that died is started again, as for any call; its
// successor begins to count anew.
func (c *Client) Stats(ctx context.Context) (stats.Stats, error) {
	return stats.Get.Call(ctx, c, struct{}{})
}
