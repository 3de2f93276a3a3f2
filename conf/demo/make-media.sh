#!/usr/bin/env bash
# Creates the media of the demo from ffmpeg's test sources: a moving pattern with a clock, and a tone.
#
# Runs from any folder and replaces media/ beside it. Needs ffmpeg with libx264. Output, all from one encode:
#
#   media/vod/      HLS (master.m3u8) and DASH (manifest.mpd) over the same fragmented MP4: two video renditions, one audio
#   media/vod/ts/   HLS over MPEG-TS: the same two video renditions, each with the audio muxed in
#
# The live channel loops the MPEG-TS segments.
#
# 24 seconds are a whole number of 2 s segments and of AAC frames at 48 kHz, so the loop has no gap.
set -euo pipefail

cd "$(dirname "$0")"
duration=24
segment=2
rate=10 # frames per second

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One encode, closed groups of pictures of exactly one segment, no metadata that changes between two runs.
ffmpeg -y -v error \
    -f lavfi -i "testsrc2=size=320x180:rate=$rate:duration=$duration" \
    -f lavfi -i "sine=frequency=440:beep_factor=4:sample_rate=48000:duration=$duration" \
    -filter_complex "[0:v]split[high][b];[b]scale=160:90[low]" \
    -map '[high]' -map '[low]' -map 1:a \
    -c:v libx264 -profile:v baseline -preset veryslow -pix_fmt yuv420p -threads 1 \
    -g $((segment * rate)) -keyint_min $((segment * rate)) -sc_threshold 0 \
    -b:v:0 60k -maxrate:v:0 80k -bufsize:v:0 120k \
    -b:v:1 20k -maxrate:v:1 28k -bufsize:v:1 40k \
    -c:a aac -ac 1 -b:a 24k \
    -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
    "$work/encoded.mkv"

# Bits per second of the largest of the given segments, for EXT-X-STREAM-INF.
peak() {
    stat -c %s "$@" | sort -n | tail -1 | awk -v seconds=$segment '{ print $1 * 8 / seconds }'
}

rm -rf media
mkdir -p media/vod/ts

(
    cd media/vod
    ffmpeg -y -v error -i "$work/encoded.mkv" -map 0 -c copy -map_metadata -1 -fflags +bitexact \
        -f dash -seg_duration $segment -use_timeline 1 -use_template 1 \
        -adaptation_sets 'id=0,streams=v id=1,streams=a' \
        -init_seg_name 'init-$RepresentationID$.mp4' -media_seg_name 'segment-$RepresentationID$-$Number%02d$.m4s' \
        -hls_playlist 1 -hls_master_name ignored.m3u8 manifest.mpd
    rm ignored.m3u8
    sed -i '/^#EXT-X-PROGRAM-DATE-TIME/d' media_*.m3u8 # the time of this run, which would differ each time
    for name in high:0 low:1 audio:2; do
        mv "media_${name#*:}.m3u8" "${name%:*}.m3u8"
    done
    # Written here because ffmpeg understates BANDWIDTH when it copies streams.
    audio=$(peak segment-2-*.m4s)
    cat >master.m3u8 <<PLAYLIST
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Tone",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=$(($(peak segment-0-*.m4s) + audio)),RESOLUTION=320x180,FRAME-RATE=$rate,CODECS="avc1.42c015,mp4a.40.2",AUDIO="audio"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=$(($(peak segment-1-*.m4s) + audio)),RESOLUTION=160x90,FRAME-RATE=$rate,CODECS="avc1.42c00c,mp4a.40.2",AUDIO="audio"
low.m3u8
PLAYLIST

    cd ts
    ffmpeg -y -v error -i "$work/encoded.mkv" -map 0:v:0 -map 0:a -map 0:v:1 -map 0:a -c copy -map_metadata -1 -fflags +bitexact \
        -f hls -hls_time $segment -hls_playlist_type vod -hls_flags independent_segments \
        -var_stream_map 'v:0,a:0,name:high v:1,a:1,name:low' -hls_segment_filename '%v-%02d.ts' '%v.m3u8'
    cat >master.m3u8 <<PLAYLIST
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=$(peak high-*.ts),RESOLUTION=320x180,FRAME-RATE=$rate,CODECS="avc1.42c015,mp4a.40.2"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=$(peak low-*.ts),RESOLUTION=160x90,FRAME-RATE=$rate,CODECS="avc1.42c00c,mp4a.40.2"
low.m3u8
PLAYLIST
)

du -sb media
