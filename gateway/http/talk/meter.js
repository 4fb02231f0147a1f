// A level, drawn as it comes: one bar for each time it is looked at, the newest on the right.

export class Meter {
  constructor(place, sound, stream) {
    this.place = place;
    this.canvas = place.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    this.analyser = sound.createAnalyser();
    this.analyser.fftSize = 2048;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source = sound.createMediaStreamSource(stream); // kept, or it is collected
    this.source.connect(this.analyser);
    this.bars = [];
    this.level = 0;
    this.ticks = 0;
  }

  draw() {
    this.analyser.getFloatTimeDomainData(this.samples);
    this.level = Math.sqrt(this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length);
    const height = Math.min(1, Math.max(0, 1 + Math.log10(this.level + 1e-6) / 2.6)); // -52 dB is nothing
    const { width, height: full } = this.canvas;
    const room = Math.floor(width / 6);
    this.bars = [...this.bars.slice(1 - room), height];
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.pen.clearRect(0, 0, width, full);
    this.pen.fillStyle = getComputedStyle(this.place).color;
    if (isStill) {
      this.pen.fillRect(0, full / 4, width * height, full / 2);
    } else {
      this.bars.forEach((bar, index) => {
        const size = Math.max(3, bar * full * 0.9);
        this.pen.fillRect((room - this.bars.length + index) * 6, (full - size) / 2, 4, size);
      });
    }
    this.ticks += 1;
    if (this.ticks % 10 === 0) this.place.setAttribute("aria-valuenow", String(Math.round(height * 100)));
  }
}
